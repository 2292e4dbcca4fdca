"""Samples over years: kept, thinned, and readable whatever happened to the file; and what they foretell."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import StorageFailure, Usage
from mailstore.survey import Account, History, Limits, Sample, forecast
from mailstore.survey.history import MOST, thinned

DAY = 86400
NOW = 1_790_000_000


def account(name: str = "joe", size: int = 10, limit: int | None = None) -> Account:
    return Account(name, "", f"maildir:/home/{name}/Maildir", "maildir++", "", Usage(1, size), Limits(limit, None))


def only_file(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def test_samples_are_kept_apart_by_account(tmp_path):
    history = History(str(tmp_path / "h"))
    history.keep(NOW, [account("joe", 10, 100), account("ann", 20)])
    history.keep(NOW + 60, [account("joe", 11, 100)])
    assert history.read("maildir:/home/joe/Maildir") == [
        Sample(NOW, 10, 1, 100, None), Sample(NOW + 60, 11, 1, 100, None)
    ]  # fmt: skip
    assert history.read("maildir:/home/ann/Maildir") == [Sample(NOW, 20, 1)]
    assert history.read("maildir:/home/eve/Maildir") == []
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "h").iterdir()} == {0o600}


def test_a_torn_last_line_costs_that_sample_alone(tmp_path):
    history = History(str(tmp_path))
    for second in range(3):
        history.keep(NOW + second, [account()])
    path = only_file(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        history.keep(NOW + 9, [account(size=99)])
        samples = history.read(account().location)
        lines = whole[:length].count(b"\n")
        # a line without its newline may be whole all the same
        assert samples[-1] == Sample(NOW + 9, 99, 1)
        assert [sample.taken for sample in samples[:-1]] in (
            [NOW + n for n in range(max(lines - 1, 0))], [NOW + n for n in range(lines)],
        )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe", b"\0\0\0", b"[]", b"1", b"{}", b'{"t":1}', b'{"t":true,"b":1,"m":1}', b'{"t":-1,"b":1,"m":1}',
        b'{"t":1,"b":1.5,"m":1}', b'{"t":1,"b":99999999999999999999999,"m":1}', b'{"t":1,"b":1,"m":1,"bl":"x"}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_lines_that_say_nothing_are_passed_over(tmp_path, line):
    history = History(str(tmp_path))
    history.keep(NOW, [account()])
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    history.keep(NOW + 1, [account()])
    assert [sample.taken for sample in history.read(account().location)] == [NOW, NOW + 1]


def test_a_file_that_is_no_history(tmp_path):
    history = History(str(tmp_path))
    history.keep(NOW, [account()])
    path = only_file(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(StorageFailure):
        history.read(account().location)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageFailure):
        history.keep(NOW, [account()])


def test_the_file_stays_small_over_years(tmp_path):
    """A sample every six hours for twelve years, and a run now."""
    history = History(str(tmp_path))
    history.keep(NOW - 12 * 366 * DAY, [account()])
    path = only_file(tmp_path)
    hours = range(NOW - 12 * 366 * DAY, NOW, 6 * 3600)
    path.write_bytes(path.read_bytes() + b"".join(b'{"t":%d,"b":%d,"m":1}\n' % (hour, hour // 1000) for hour in hours))
    history.keep(NOW, [account(size=5)])
    lines = path.read_bytes().splitlines()
    assert json.loads(lines[0])["location"] == account().location
    samples = history.read(account().location)
    assert len(samples) == len(lines) - 1
    assert len(samples) < MOST
    assert samples[-1] == Sample(NOW, 5, 1)
    recent = [sample.taken for sample in samples if NOW - sample.taken < 14 * DAY]
    assert len(recent) == 14 * 4  # all of them, and the run now
    gaps = [after.taken - before.taken for before, after in pairwise(samples)]
    assert max(gaps) <= 8 * DAY
    assert samples[0].taken < NOW - 11 * 366 * DAY
    history.keep(NOW + 1, [account()])
    assert len(history.read(account().location)) == len(samples) + 1


@given(st.lists(st.integers(0, 3000 * DAY), max_size=200, unique=True))
def test_thinning_keeps_the_last_of_each_and_thins_no_further(times):
    samples = [Sample(second, 1, 1) for second in sorted(times)]
    now = max(times, default=0)
    kept = thinned(samples, now)
    assert thinned(kept, now) == kept
    assert set(kept) <= set(samples)
    assert kept == sorted(kept)
    if samples:
        assert kept[-1] == samples[-1]
        assert [one for one in samples if samples[-1].taken - one.taken < 14 * DAY] == kept[
            -len([one for one in samples if samples[-1].taken - one.taken < 14 * DAY]) :
        ]


def many(path: Path, samples: list[tuple[int, str]]) -> None:
    lines = b"".join(b'{"t":%d,"b":1,"m":1%s}\n' % (taken, more.encode()) for taken, more in samples)
    path.write_bytes(path.read_bytes() + lines)


def test_two_samples_of_one_moment_with_and_without_a_limit_can_be_thinned(tmp_path):
    history = History(str(tmp_path))
    history.keep(NOW - 9000, [account()])
    many(only_file(tmp_path), [(NOW - 8000 + n // 2, ', "bl":5' * (n % 2)) for n in range(8000)])
    history.keep(NOW, [account()])
    assert len(history.read(account().location)) == 4002


@pytest.mark.parametrize("runs", [0, 1, 3])
def test_a_clock_that_was_ahead_once_makes_no_sample_old(tmp_path, runs):
    """A sample an hour for thirteen days, one of ten years from now, and runs after it, the first of which thins."""
    history = History(str(tmp_path))
    history.keep(NOW - 13 * DAY, [account()])
    wrong = NOW + 3660 * DAY
    hours = [(NOW - 12 * DAY + n * 240, "") for n in range(12 * 360)]
    many(only_file(tmp_path), hours)
    history.keep(wrong, [account()])
    for run in range(runs):
        history.keep(NOW + run, [account()])
    found = [sample.taken for sample in history.read(account().location)]
    assert found == [NOW - 13 * DAY, *(hour for hour, _ in hours), *(range(NOW, NOW + runs) if runs else (wrong,))]


def test_an_account_whose_samples_cannot_be_kept_costs_no_other_its_own(tmp_path):
    history = History(str(tmp_path))
    history.keep(NOW, [account("joe")])
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageFailure):
        history.keep(NOW + 1, [account("joe"), account("ann")])
    assert [sample.taken for sample in history.read(account("ann").location)] == [NOW + 1]


# --- forecast


def line(days: int, per_day: int, limit: int | None = 1_000_000, noise: int = 0) -> list[Sample]:
    return [Sample(NOW + day * DAY, 1000 + per_day * day + (noise if day % 2 else 0), 1, limit) for day in range(days)]


def test_growth_on_a_line_is_foreseen_to_the_second():
    found = forecast(line(31, 1000))
    assert found.outlook == "expected"
    assert found.when == NOW + 30 * DAY + 969 * DAY
    assert found.per_day == pytest.approx(1000)
    assert (found.samples, found.reason) == (31, "")


def test_only_the_window_counts():
    samples = line(10, 50_000) + [Sample(NOW + day * DAY, 500_000 + day, 1, 1_000_000) for day in range(200, 300)]
    found = forecast(samples, window=90 * DAY)
    assert found.per_day == pytest.approx(1)
    assert found.samples == 91
    assert found.outlook == "not foreseeable"


@pytest.mark.parametrize(
    ("samples", "outlook", "reason"),
    [
        ([], "no limit", ""),
        (line(2, 1000), "not foreseeable", "fewer than three samples over a day"),
        ([Sample(NOW + n, n, 1, 10_000) for n in range(50)], "not foreseeable", "fewer than three samples over a day"),
        (line(30, 0), "not foreseeable", "it does not grow"),
        (line(30, -10), "not foreseeable", "it does not grow"),
        (line(30, 10, noise=30_000), "not foreseeable", "it grows too unsteadily"),
        (line(30, 1), "not foreseeable", "more than ten years ahead"),
        (line(30, 1000, None), "no limit", ""),
        (line(30, 1000, 30_000), "reached", ""),
        (line(30, 1000, 0), "reached", ""),
        (line(30, 1000, (1 << 63) - 1), "not foreseeable", "more than ten years ahead"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_foreseen(samples, outlook, reason):
    found = forecast(samples)
    assert (found.outlook, found.reason, found.when) == (outlook, reason, None)


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 62)), max_size=50), st.integers(0, 1 << 62))
def test_any_samples_have_an_answer(pairs, limit):
    samples = sorted(Sample(taken, size, 1, limit) for taken, size in pairs)
    found = forecast(samples)
    assert (found.when is not None) == (found.outlook == "expected")
    if found.when is not None:
        assert found.when >= samples[-1].taken
