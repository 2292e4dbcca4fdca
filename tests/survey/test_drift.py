"""Drift is what stays wrong: deliveries during the look are none."""

import os

import pytest
from support.maildirs import make, put

from mailstore import Usage, open_store
from mailstore.survey import Drift, drift_of
from mailstore.system import clock


@pytest.fixture
def root(tmp_path):
    root = make(tmp_path / "m")
    put(root / "new", "1.a.x,S=10", b"x" * 10)
    (root / "maildirsize").write_bytes(b"1000S\n10 1\n")
    return root


def drift(root, monkeypatch, *meanwhile):
    """Look, and do one thing of ``meanwhile`` at each pause; returns the verdict and how often it paused."""
    steps = iter(meanwhile)
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        next(steps, lambda: None)()

    monkeypatch.setattr(clock, "sleep", sleep)
    with open_store(f"maildir:{root}", readonly=True) as store:
        return drift_of(store), len(pauses)


def test_right_sums_need_one_look(root, monkeypatch):
    assert drift(root, monkeypatch) == (Drift("right", Usage(1, 10), Usage(1, 10)), 0)


def test_a_delivery_between_its_file_and_its_line_is_no_drift(root, monkeypatch):
    put(root / "new", "2.a.x,S=20", b"y" * 20)

    def line():
        with open(root / "maildirsize", "ab") as file:
            file.write(b"20 1\n")

    assert drift(root, monkeypatch, line) == (Drift("right", Usage(2, 30), Usage(2, 30)), 1)


def test_what_stays_wrong_is_drift(root, monkeypatch):
    put(root / "new", "2.a.x,S=20", b"y" * 20)
    assert drift(root, monkeypatch) == (Drift("drift", Usage(1, 10), Usage(2, 30)), 1)


def test_what_never_rests_is_neither(root, monkeypatch):
    put(root / "new", "0.a.x,S=5", b"z" * 5)

    def deliver(number):
        return lambda: put(root / "new", f"{number}.b.x,S=1", b"z")

    found, pauses = drift(root, monkeypatch, *map(deliver, range(20)))
    assert (found.state, found.kept, pauses) == ("moving", Usage(1, 10), 9)


def test_without_sums_there_is_nothing_to_compare(root, monkeypatch):
    os.unlink(root / "maildirsize")
    assert drift(root, monkeypatch) == (Drift("no sums", None, Usage(1, 10)), 0)
