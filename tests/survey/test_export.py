"""What others take away: CSV that no spreadsheet executes, and metrics that a collector reads."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import CannotCreate, Usage
from mailstore.model.changes import Footprint
from mailstore.model.names import FolderPath
from mailstore.survey import (
    Account,
    FolderShare,
    Limits,
    Survey,
    accounts_csv,
    groups_csv,
    prometheus,
    write_file,
)

SHARES = (FolderShare(FolderPath(("INBOX",)), 3, 900, True), FolderShare(FolderPath(("a/b",)), 1, 1000, False))
FULL = Account(
    "joe", "example.org", "maildir:/m/joe", "maildir++", "courier", Usage(3, 900), Limits(1000, None), Usage(3, 900),
    Usage(4, 1900), SHARES, 0, 1_700_000_000, Footprint(8192, 100),
)  # fmt: skip
BARE = Account("ann", "", "memory:ann", "memory", "", Usage(0, 0), Limits())
SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.]+)$')


def read(text: str) -> dict[tuple[str, str], float]:
    """Read the exposition format strictly: HELP, TYPE, then the samples of that metric; each series once."""
    found: dict[tuple[str, str], float] = {}
    current = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
        else:
            match = SAMPLE.match(line)
            assert match, line
            assert match[1] == current
            key = match[1], match[2] or ""
            assert key not in found
            found[key] = float(match[3])
    return found


def test_metrics():
    found = read(prometheus(Survey(1_790_000_000, "messages", [FULL, BARE]), folders=True))
    joe = 'account="joe",domain="example.org",location="maildir:/m/joe"'
    ann = 'account="ann",location="memory:ann"'
    assert found == {
        ("mailstore_quota_usage_bytes", joe): 900,
        ("mailstore_quota_usage_bytes", ann): 0,
        ("mailstore_quota_usage_messages", joe): 3,
        ("mailstore_quota_usage_messages", ann): 0,
        ("mailstore_quota_limit_bytes", joe): 1000,
        ("mailstore_mail_bytes", joe): 1900,
        ("mailstore_mail_messages", joe): 4,
        ("mailstore_mail_physical_bytes", joe): 8192,
        ("mailstore_mail_oldest_timestamp_seconds", joe): 0,
        ("mailstore_mail_newest_timestamp_seconds", joe): 1_700_000_000,
        ("mailstore_folder_bytes", f'{joe},folder="INBOX"'): 900,
        ("mailstore_folder_bytes", f'{joe},folder="a\\\\/b"'): 1000,
        ("mailstore_folder_messages", f'{joe},folder="INBOX"'): 3,
        ("mailstore_folder_messages", f'{joe},folder="a\\\\/b"'): 1,
        ("mailstore_survey_accounts", ""): 2,
        ("mailstore_survey_unreadable_accounts", ""): 0,
        ("mailstore_survey_timestamp_seconds", ""): 1_790_000_000,
    }


@given(st.text(), st.text())
def test_any_name_makes_a_label(name, folder):
    folders = (FolderShare(FolderPath((folder or "x",)), 1, 1, True),)
    account = Account(name, "", name, "x", "", Usage(1, 1), Limits(), None, Usage(1, 1), folders)
    text = prometheus(Survey(0, "folders", [account]), folders=True)
    text.encode()
    assert len(read(text)) == 9


def rows(text: str) -> list[list[str]]:
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv():
    head, joe, ann = rows(accounts_csv([FULL, BARE]))
    assert dict(zip(head, joe, strict=True)) == {
        "account": "joe", "domain": "example.org", "location": "maildir:/m/joe", "usage_bytes": "900",
        "limit_bytes": "1000", "usage_messages": "3", "limit_messages": "", "percent": "90.00", "total_bytes": "1900",
        "total_messages": "4", "physical_bytes": "8192", "distinct_bytes": "1800", "biggest_folder": "INBOX",
        "oldest": "1970-01-01T00:00:00+00:00", "newest": "2023-11-14T22:13:20+00:00",
    }  # fmt: skip
    assert ann == ["ann", "", "memory:ann", "0", "", "0", *[""] * 9]
    assert rows(groups_csv(Survey(0, "sums", [BARE, FULL]), "account", 1)) == [
        ["account", "messages", "bytes"], ["joe", "3", "900"],
    ]  # fmt: skip


def test_no_two_folders_are_one_series():
    """node_exporter drops a file in which a series comes twice, and users name their folders."""
    names = ("a\x01", r"a\x01", r"a\\x01", "a\n", r"a\n", r"a\x0a")
    shares = tuple(FolderShare(FolderPath((name,)), 1, 1, True) for name in names)
    account = Account("joe", "", "x", "x", "", Usage(1, 1), Limits(), folders=shares)
    text = prometheus(Survey(0, "folders", [account]), folders=True)
    assert len([key for key in read(text) if key[0] == "mailstore_folder_bytes"]) == len(names)


@given(st.text(min_size=1))
def test_no_cell_is_a_formula(name):
    account = Account(name, name, name, "x", "", Usage(1, 1), Limits())
    _, line = rows(accounts_csv([account]))
    assert line[0] == line[2]
    assert not line[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "\n" not in line[0]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_formulas_get_an_apostrophe(name):
    account = Account(name, "", "x", "x", "", Usage(1, 1), Limits())
    assert rows(accounts_csv([account]))[1][0] == f"'{name}"


def test_files_are_replaced_as_a_whole(tmp_path):
    path = tmp_path / "mail.prom"
    write_file(str(path), "ü\n")
    assert path.read_text() == "ü\n"
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    inode = path.stat().st_ino
    write_file(str(path), "b\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("b\n", 0o640)
    assert path.stat().st_ino != inode
    write_file(str(tmp_path / "page.html"), "x", private=True)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mail.prom", "page.html"]
    with pytest.raises(CannotCreate):
        write_file(str(tmp_path / "no" / "x"), "x")
