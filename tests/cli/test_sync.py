"""``mstore sync``: what it prints, and what its exit codes mean."""

import json
import os

import pytest

from mailstore import open_store


@pytest.fixture
def stores(tmp_path):
    """A Maildir with two messages and a folder, and the place for another store."""
    first = f"maildir:{tmp_path}/one"
    with open_store(first, create=True) as store:
        store.inbox.append(b"Subject: 1\n\n1\n", flags=["\\Seen"])
        store.inbox.append(b"Subject: 2\n\n2\n")
        store.create("Work").append(b"Subject: 3\n\n3\n")
    return first, f"sqlite:{tmp_path}/two.db"


def test_there_and_back(mstore, stores):
    ran = mstore("sync", *stores)
    assert ran.exit_code == 0
    assert ran.lines[2].split() == ["Folder", "In", "Copied", "Moved", "Flagged", "Deleted"]
    assert ran.lines[3].split() == ["INBOX", "second", "2", "0", "0", "0"]
    assert "Work: created in second" in ran.lines
    assert ran.lines[-1].startswith("3 copied (42 bytes), 0 moved, 0 flagged, 0 deleted; verified; ")
    assert mstore("verify", *stores).exit_code == 0
    assert mstore("sync", *reversed(stores)).lines[-1].startswith("nothing to do; ")
    assert mstore("sync", *stores, "-q").stdout == b""


@pytest.mark.parametrize("words", [("sync",), ("sync", "--journal", "journal"), ("convert",)])
def test_nothing_is_made_in_a_store_that_holds_the_other(mstore, stores, words):
    first, inside = stores[0], f"{stores[0]}/.Below"
    with open_store(first) as store:
        before = [str(info.path) for info in store.folders()]
    ran = mstore(*words, first, inside)
    assert (ran.exit_code, "lies in the source" in ran.stderr) == (64, True)
    with open_store(first) as store:
        assert [str(info.path) for info in store.folders()] == before


def test_a_plan_is_told_and_nothing_done(mstore, stores):
    assert mstore("sync", "--dry-run", *stores).exit_code == 66
    assert mstore("sync", *stores, "-q").exit_code == 0
    assert mstore("flag", "-f", "INBOX", "--add", "\\Flagged", stores[1], "1").exit_code == 0
    ran = mstore("sync", "-n", *stores)
    assert ran.exit_code == 0
    assert ran.lines[-1].startswith("0 copied (0 bytes), 0 moved, 1 flagged, 0 deleted; this is the plan; ")
    assert mstore("verify", *stores).exit_code == 1
    assert mstore("sync", *stores).exit_code == 0


def test_what_is_held_back_is_named(mstore, stores):
    assert mstore("sync", *stores).exit_code == 0
    with open_store(stores[0]) as store:
        store.delete("Work")
    ran = mstore("sync", *stores)
    assert ran.exit_code == 1
    assert "Work: it vanished from the first store, or was made anew or restored there, and is left" in ran.stderr
    assert mstore("sync", *stores, "--force-delete").exit_code == 0
    with open_store(stores[1]) as store:
        assert [str(info.path) for info in store.folders()] == ["INBOX"]


def test_conflicts_are_told_and_are_no_failure(mstore, stores):
    assert mstore("sync", *stores).exit_code == 0
    with open_store(stores[0]) as store:
        store.inbox.expunge([1], only_deleted=False)
    with open_store(stores[1]) as store:
        store.inbox.add_flags([1], ["\\Flagged"])
    ran = mstore("sync", *stores)
    assert ran.exit_code == 0
    assert "Conflict in INBOX: deleted in the first store and marked in the second: it comes back" in ran.lines


def test_a_store_that_was_there_is_not_made_anew(mstore, stores, tmp_path):
    assert mstore("sync", *stores).exit_code == 0
    os.rename(tmp_path / "two.db", tmp_path / "elsewhere.db")
    ran = mstore("sync", *stores)
    assert ran.exit_code == 66
    assert "move its journal" in ran.stderr
    assert not (tmp_path / "two.db").exists()


def test_reports_are_written(mstore, stores, tmp_path):
    with open_store(stores[0]) as store:
        store.create("<b>&").append(b"x")
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    ran = mstore("sync", *stores, "--report", page, "--report", data, "--json")
    assert json.loads(data.read_text()) == ran.object
    shown = page.read_text()
    assert "All changes were carried." in shown
    assert "&lt;b&gt;&amp;: created in second" in shown
    assert "<b>&" not in shown
    assert page.stat().st_mode & 0o777 == 0o600
    assert mstore("sync", *stores, "--report", "report.txt").exit_code == 64


def test_losses_are_refused_unless_allowed(mstore, stores, tmp_path):
    (tmp_path / "file.mbox").touch()  # holds INBOX alone
    mbox = f"mbox:{tmp_path}/file.mbox"
    ran = mstore("sync", stores[0], mbox)
    assert ran.exit_code == 1
    assert "folders" in ran.stderr
    assert (tmp_path / "file.mbox").stat().st_size == 0
    assert mstore("sync", stores[0], mbox, "--allow-loss", "folders").exit_code == 0
    assert mstore("verify", stores[0], mbox, "-f", "INBOX").exit_code == 0
