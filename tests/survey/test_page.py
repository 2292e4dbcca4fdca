"""The HTML page: right in a real browser, in both themes; harmless whatever names and subjects say; readable."""

import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import peers
from support.mstore import mstore

from mailstore import Usage, open_store
from mailstore.model.names import FolderPath
from mailstore.pages import page as page_module
from mailstore.pages.figures import size_label, size_ticks
from mailstore.survey import (
    Account,
    FolderShare,
    Group,
    Limits,
    Sample,
    Survey,
    TopMessage,
    find_targets,
    forecast,
    html,
    make_report,
    report_facts,
    survey,
)
from mailstore.survey.charts import growth_chart, usage_map, year_chart
from mailstore.survey.growth import together
from mailstore.survey.report import Report
from mailstore.survey.treemap import Box, squarify

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m\u202e\udcff"
CSS = Path(page_module.__file__).with_name("page.css").read_text()
DAY = 86400
NOW = 1_790_000_000
VOID = {"meta", "link"}


class Page(HTMLParser):
    """A strict reading of a page: tags that nest, the data block, the figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.values: list[tuple[float, str]] = []
        self.text = ""
        self._data = ""
        self.feed(text)
        self.close()
        assert self.open == []

    @property
    def data(self) -> dict:
        return json.loads(self._data)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.values.append((float(dict(attributes)["value"]), ""))

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1:] == ["script"]:
            self._data += text
        elif self.open[-1:] == ["data"]:
            self.values[-1] = (self.values[-1][0], text)
        self.text += text


def report_on(accounts: list[Account], histories: dict[str, list[Sample]] | None = None, **more: object) -> Report:
    class Kept:
        def read(self, location: str) -> list[Sample]:
            return (histories or {}).get(location, [])

    return make_report(Survey(NOW, "messages", accounts, **more), Kept())


def account(name: str = "joe", size: int = 1000, limit: int | None = None, *folders: FolderShare) -> Account:
    return Account(
        name, "", f"x:{name}", "maildir", "courier", Usage(1, size), Limits(limit, None), None, Usage(1, size), folders
    )


def numbers(value: object) -> set[float]:
    """All numbers that JSON holds."""
    if isinstance(value, dict):
        return set().union(*map(numbers, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(numbers, value)) if value else set()
    return {float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else set()


@pytest.fixture
def demo(tmp_path):
    """Accounts with hostile names of all kinds, and one that cannot be read."""
    for user in ("ann", "b<i>b", "eve\udcfe"):
        with open_store(f"maildir:{tmp_path}/mail/{user}/Maildir", create=True) as store:
            for number in range(5):
                store.inbox.append(
                    b"From: <script>@x\nSubject: </script><b>&quot;\n\n" + b"x" * 3000 * number,
                    internal_date=1_300_000_000 + number * 40_000_000,
                )
            store.create('</svg><script>alert("x")</script>&amp;').append(b"y" * 9000)
            store.create("Trash").append(b"y" * 500)
    (tmp_path / "mail" / "no").mkdir()
    (tmp_path / "mail" / "no" / "Maildir").write_bytes(b"\0")
    return f"maildir:{tmp_path}/mail/*/Maildir"


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def chromium(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    name = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), "chromium")
    peers.need(name)
    home = str(arguments[-1]).removeprefix("file://") + ".profile"
    return subprocess.run(
        [name, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}",
         "--enable-logging=stderr", *map(str, arguments)],
        capture_output=True, check=True, timeout=120, env={**os.environ, "HOME": home},
    )  # fmt: skip


@pytest.mark.interop
def test_chromium_renders_it_without_a_complaint_and_finds_the_numbers_of_json(demo, state, tmp_path):
    ran = mstore("quota", "report", "--html", tmp_path / "page.html", "--json", demo)
    assert ran.code == 1  # one account cannot be read
    seen = chromium("--dump-dom", f"file://{tmp_path}/page.html")
    said = seen.stderr.decode(errors="replace")
    assert "CONSOLE" not in said, said
    page = Page(seen.stdout.decode())
    data = page.data
    assert data == ran.json
    shown = mstore("quota", "show", "--full", "--json", demo).json
    shown["taken"] = data["survey"]["taken"]
    for one in (*shown["accounts"], *data["survey"]["accounts"]):
        one["disk"] = None  # the run itself changes what is free
    assert data["survey"] == shown
    assert len(page.values) > 20
    disk = numbers([one["disk"] for one in ran.json["survey"]["accounts"]])
    counts = {3.0, 0.0, 1.0}  # accounts, near their limit, not readable
    assert {value for value, _ in page.values} <= numbers(page.data) | disk | counts
    for value, label in page.values:
        assert label.strip(), value


def pixel(png: bytes) -> tuple[int, int, int]:
    """The colour of the upper left corner of a PNG of 8 bits a channel."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += 12 + length
    line = zlib.decompressobj().decompress(packed, 5)
    return line[1], line[2], line[3]


@pytest.mark.interop
@pytest.mark.parametrize(("theme", "setting"), [(0, "1"), (1, "0")], ids=["light", "dark"])
def test_chromium_shows_it_in_the_reader_s_theme(tmp_path, theme, setting):
    (tmp_path / "page.html").write_text(html(report_on([account()])))
    shot = tmp_path / "shot.png"
    chromium(f"--blink-settings=preferredColorScheme={setting}", f"--screenshot={shot}", f"file://{tmp_path}/page.html")
    assert "#{:02x}{:02x}{:02x}".format(*pixel(shot.read_bytes())) == THEMES[theme]["page"]


# --- what no browser is needed for


def palette(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", text))


_light, _, _rest = CSS.partition("@media (prefers-color-scheme: dark)")
_dark, _, _print = _rest.partition("@media print")
THEMES = [palette(_light), palette(_dark.partition("* {")[0]), palette(_print)]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark", "print"])
def test_text_stands_out(theme):
    """WCAG 2.1 1.4.3: 4.5 for text, 1.4.11: 3 for what carries meaning without text."""
    pairs = [
        (ink, ground) for ink in ("ink", "soft", "fine-text", "near-text", "full-text") for ground in ("page", "card")
    ]
    pairs += [(f"{kind}-ink", kind) for kind in ("fine", "near", "full", "aside", "rest")]
    weak = {pair: contrast(theme[pair[0]], theme[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    assert contrast(theme["mark"], theme["card"]) >= 3
    assert theme.keys() == THEMES[0].keys()


def test_hostile_text_stays_text():
    share = FolderShare(FolderPath((HOSTILE,)), 1, 10_000, True)
    bad = account(HOSTILE, 10_000, 20_000, share)
    top = [TopMessage(9, HOSTILE, FolderPath((HOSTILE,)), 1, None, HOSTILE, HOSTILE)]
    text = html(
        report_on([bad, account()], top=top, by_year=[Group(HOSTILE, 1, 1)], by_size=[Group("under 4K", 1, 1)]), HOSTILE
    )
    text.encode()  # nothing that is no UTF-8
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not {name for name in page.attributes if name.startswith("on")}
    assert text.count("<script") == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "</script><script>alert(1)</script>" in page.text
    assert page.data["top"][0]["subject"] == HOSTILE
    assert re.search(r"(?:src|href)=\"(?!data:)", text) is None
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text


def test_an_empty_page_is_one_too():
    page = Page(html(report_on([])))
    assert page.data["survey"]["accounts"] == []
    assert "growth shows from the second on" in page.text


def test_growth_and_what_is_full_soonest():
    slow = [Sample(NOW - (30 - n) * DAY, 1000 * n, 1, 60_000) for n in range(31)]
    fast = [Sample(NOW - (30 - n) * DAY, 2000 * n, 1, 70_000) for n in range(31)]
    accounts = [
        account("slow", 30_000, 60_000),
        account("fast", 60_000, 70_000),
        account("full", 10, 5),
        account("new"),
    ]
    report = report_on(
        accounts, {"x:slow": slow, "x:fast": fast, "x:full": [Sample(NOW, 10, 1, 5)], "x:new": [Sample(NOW, 1, 1)]}
    )
    assert [(one.name, outlook.outlook) for one, outlook in report.outlooks] == [
        ("full", "reached"), ("fast", "expected"), ("slow", "expected"), ("new", "no limit"),
    ]  # fmt: skip
    text = html(report)
    soonest = text[text.index('id="soonest"') :]
    assert soonest.index("full") < soonest.index("fast") < soonest.index("slow")
    assert report.outlook.outlook == "no limit"
    assert "no limit" not in soonest[: soonest.index("</table>")]
    assert report_facts(report)["growth"][-1]["bytes"] == 30_000 + 60_000 + 10 + 1


def test_accounts_add_up_over_time():
    one = [Sample(0, 100, 1, 500), Sample(100, 200, 2, 500)]
    two = [Sample(50, 1000, 10, 700), Sample(150, 900, 9, 700)]
    assert together({"one": one, "two": two}) == [
        Sample(0, 100, 1), Sample(50, 1100, 11), Sample(100, 1200, 12), Sample(150, 1100, 11, 1200),
    ]  # fmt: skip
    assert together({}) == []
    many = {str(n): [Sample(t * 1000 + n, t, 1, 9) for t in range(2000)] for n in range(3)}
    points = together(many)
    assert 250 <= len(points) <= 300
    assert points[-1] == Sample(1_999_002, 3 * 1999, 3, 27)
    assert together({"one": [Sample(5, 1, 1)]}) == [Sample(5, 1, 1)]


def test_the_map_names_what_it_cannot_show():
    accounts = [account(f"user{n}", 1000 + n, 2000) for n in range(100)]
    text = usage_map(accounts)
    assert f"40 smaller accounts: {size_label(sum(1000 + n for n in range(40)))}" in text
    assert text.count("<title>") == 61
    folders = [FolderShare(FolderPath((f"f{n:03}",)), 1, 10_000 - n, n % 2 == 0) for n in range(60)]
    text = usage_map([account("joe", 1, None, *folders)])
    assert "joe, 20 smaller folders" in text
    assert text.count("<title>") == 1 + 41


def columns(text: str) -> list[tuple[str, str]]:
    return re.findall(r"<title>([^:]+): (\S+)\u202fB", text)


def test_a_year_without_mail_is_a_gap():
    text = year_chart([Group("2020", 1, 100), Group("2024", 2, 500)], 2026)
    assert columns(text) == [("2020", "100"), ("2021", "0"), ("2022", "0"), ("2023", "0"), ("2024", "500")]


def test_long_ago_is_one_column_and_so_is_what_has_not_been_yet():
    groups = [Group(str(year), 1, 1) for year in range(1980, 2027)]
    odd = [Group("0001", 1, 7), Group("2027", 1, 2), Group("9999", 1, 3), Group("", 2, 5)]
    found = columns(year_chart([*groups, *odd], 2026))
    assert found[:2] == [("to 2003", "31"), ("2004", "1")]
    assert found[-3:] == [("2026", "1"), ("later", "5"), ("no date", "5")]
    assert len(found) == 26
    assert columns(year_chart([Group("9999", 1, 3)], 2026)) == [("later", "3")]
    assert columns(year_chart([Group("", 1, 3)], 2026)) == [("no date", "3")]


@given(st.lists(st.floats(1, 1e15), max_size=60), st.floats(1, 5000), st.floats(1, 5000))
def test_a_treemap_fills_its_box_in_proportion(values, width, height):
    values.sort(reverse=True)
    boxes = squarify(values, Box(3, 5, width, height))
    assert len(boxes) == len(values)
    for value, box in zip(values, boxes, strict=True):
        assert box.width * box.height == pytest.approx(value / sum(values) * width * height, rel=1e-6, abs=0.01)
        assert box.x >= 3 - 0.001  # far less than can be seen
        assert box.y >= 5 - 0.001
        assert box.x + box.width <= 3 + width + 0.001
        assert box.y + box.height <= 5 + height + 0.001


def test_a_treemap_has_squarish_boxes():
    """The example of the paper: areas 6 6 4 3 2 2 1 in 6 by 4."""
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 6, 4))
    assert [tuple(round(part, 2) for part in box) for box in boxes[:4]] == [
        (0, 0, 3, 2), (0, 2, 3, 2), (3, 0, 1.71, 2.33), (4.71, 0, 1.29, 2.33),
    ]  # fmt: skip
    assert squarify([], Box(0, 0, 1, 1)) == []


@given(st.floats(1, 1e18))
def test_an_axis_reaches_over_its_data(most):
    ticks = size_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * 0.999
    assert 2 <= len(ticks) <= 7


@given(
    st.lists(
        st.tuples(st.integers(0, 4 << 30), st.integers(0, 1 << 50)),
        min_size=2,
        max_size=40,
        unique_by=lambda one: one[0],
    )
)
def test_any_samples_make_a_chart(pairs):
    samples = sorted(Sample(taken, size, 1, 1 << 20) for taken, size in pairs)
    text = growth_chart(samples, forecast(samples))
    assert "nan" not in text
    assert "inf" not in text
    Page(text)


def test_a_page_of_many_accounts_stays_readable():
    text = html(report_on([account(f"user{n}", n) for n in range(1200)]))
    table = text[text.index('id="accounts"') :]
    assert table[: table.index("</table>")].count("<tr>") == 501
    assert "The 500 largest of 1,200" in text
    assert len(Page(text).data["survey"]["accounts"]) == 1200


def test_a_report_survives_a_damaged_history(tmp_path):
    with open_store(f"maildir:{tmp_path}/m", create=True) as store:
        store.inbox.append(b"x")

    from mailstore.survey import History

    found = survey(find_targets([f"maildir:{tmp_path}/m"]), depth="messages")
    history = History(str(tmp_path / "h"))
    history.keep(NOW, found.accounts)
    (path,) = (tmp_path / "h").iterdir()
    path.unlink()
    path.mkdir()
    assert make_report(found, history).growth == []
