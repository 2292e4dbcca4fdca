"""mstore convert --accounts and --report: what is printed, written and returned."""

import importlib.util
import json
import os
import re
import signal
import stat
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mailstore import Arrival, FolderPath, open_store
from mailstore.convert import verify_stores

TEXT = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
SCHEMA = json.loads(re.search(r"<!-- schema: report -->\n```json\n(.*?)```", TEXT, re.DOTALL)[1])
_spec = importlib.util.spec_from_file_location("schema", Path(__file__).with_name("schema.py"))
schema = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schema)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m\u202e"
KEEP = ("--owner", "keep")


@pytest.fixture
def old(tmp_path):
    """Maildirs of ann (2 messages) and bob (3, and one of a hostile name)."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    for user, count in (("ann", 2), ("bob", 3)):
        with open_store(f"maildir:{tmp_path}/old/{user}", create=True) as store:
            store.inbox.append_many([Arrival(b"Subject: %d\n\n%s\n" % (n, user.encode())) for n in range(count)])
    with open_store(f"maildir:{tmp_path}/old/bob") as store:
        store.folder(FolderPath((HOSTILE,)), create=True).append(b"Subject: hostile\n\n")
    return f"maildir:{tmp_path}/old/{{user}}", f"sqlite:{tmp_path}/new/{{user}}.db"


def report_of(path):
    value = json.loads(path.read_text())
    schema.check(value, SCHEMA)
    return value


def states(report):
    return {one["user"]: one["status"] for one in report["conversions"]}


def break_bob(tmp_path):
    os.symlink("nowhere", tmp_path / "old/bob/cur/1700000000.M1P1.host:2,S")


def test_accounts_of_a_file(mstore, old, tmp_path):
    (tmp_path / "users").write_text("# staff\nann\nbob\n")
    ran = mstore("convert", "--accounts", tmp_path / "users", *old, *KEEP, "-j1")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [line.split(";")[0] for line in ran.lines[:2]] == ["bob: done", "ann: done"]  # the largest first
    assert "; 4 found, 4 copied (" in ran.lines[0]
    assert ran.lines[-1].startswith("2 accounts: 2 done; 6 found, 6 copied (")
    for user in ("ann", "bob"):
        places = [place.format(user=user) for place in old]
        with open_store(places[0], readonly=True) as first, open_store(places[1], readonly=True) as second:
            assert verify_stores(first, second).same
    assert mstore("convert", "--accounts", "-", *old, *KEEP, "-q", stdin=b"ann\n").stdout == b""


def test_accounts_of_the_disk(mstore, old):
    for words in (("--accounts", "*"), ()):
        ran = mstore("convert", *words, *old, *KEEP, "--json")
        assert ran.exit_code == 0
        schema.check(ran.object, SCHEMA)
        assert states(ran.object) == {"ann": "done", "bob": "done"}


def test_a_plan_for_all(mstore, old, tmp_path):
    ran = mstore("convert", *old, *KEEP, "-n", "--report", tmp_path / "plan.json")
    assert ran.exit_code == 0
    assert sorted(line.rpartition(";")[0] for line in ran.lines[:2])[1].startswith("bob: done; 4 found (")
    assert list((tmp_path / "new").iterdir()) == []
    assert [one["plan"]["messages"] for one in report_of(tmp_path / "plan.json")["conversions"]] == [2, 4]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("ann\n../x\n", "users, line 2: '../x' is no name that a mailbox can have"),
        ("ann\nann\n", "users, line 2: 'ann' stands in line 1 already"),
        ("", "users names no account"),
    ],
)
def test_a_list_that_cannot_be_right(mstore, old, tmp_path, lines, said):
    (tmp_path / "users").write_text(lines)
    ran = mstore("convert", "--accounts", tmp_path / "users", *old, *KEEP, "--report", tmp_path / "r.json")
    assert (ran.exit_code, ran.stdout) == (64, b"")
    assert said in ran.stderr
    assert list((tmp_path / "new").iterdir()) == []
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--accounts", "/no/such/file"),
        ("--rate", "quick"),
        ("--rate", "0"),
        ("--rate", "0msg"),
        ("--report", "report.txt"),
        ("--max-errors", "0"),
    ],
)
def test_options_that_make_no_sense(mstore, old, tmp_path, words):
    assert mstore("convert", *old, *KEEP, *words).exit_code == 64
    assert list((tmp_path / "new").iterdir()) == []


def test_options_of_many_accounts_with_one(mstore, memory):
    for words in (("--owner", "keep"), ("--max-errors", "1")):
        ran = mstore("convert", memory, "memory:", *words)
        assert (ran.exit_code, ran.stderr.count("say --accounts")) == (64, 1)


def test_an_account_that_fails(mstore, old, tmp_path):
    break_bob(tmp_path)
    ran = mstore("convert", *old, *KEEP, "--report", tmp_path / "r.json")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("mstore: bob: INBOX, message 4: ")
    assert ran.lines[-1].startswith("2 accounts: 1 done, 1 failed; ")
    report = report_of(tmp_path / "r.json")
    assert (report["status"], states(report)) == ("failed", {"ann": "done", "bob": "failed"})
    assert report["accounts"] == {"found": 2, "done": 1, "failed": 1, "interrupted": 0, "waiting": 0}
    assert {name: count for name, count in report["messages"].items() if count} == {
        "found": 7,
        "copied": 6,
        "failed": 1,
    }


def test_no_more_after_too_many_errors(mstore, old, tmp_path):
    users = "\n".join(f"u{number}" for number in range(4))
    ran = mstore("convert", "--accounts", "-", *old, *KEEP, "-j1", "--max-errors", "2", stdin=users.encode())
    assert ran.exit_code == 1
    assert ran.lines[-1].startswith("4 accounts: 0 done, 2 failed, 2 not begun; ")
    assert "mstore: 2 accounts not begun: --max-errors was reached" in ran.stderr


@pytest.mark.parametrize(("place", "code"), [("/dev/full", 75), (None, 141)])
def test_the_report_is_finished_where_nobody_reads_the_output(mstore_command, old, tmp_path, place, code):
    if place is None:
        reading, output = os.pipe()
        os.close(reading)
    else:
        output = os.open(place, os.O_WRONLY)
    words = ["convert", *old, *KEEP, "-j1", "--report", str(tmp_path / "r.json")]
    done = subprocess.run([*mstore_command, *words], stdout=output, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(output)
    assert done.returncode == code
    report = report_of(tmp_path / "r.json")
    assert (report["status"], states(report)["bob"], states(report)["ann"]) == ("interrupted", "done", "waiting")


def test_the_report_of_a_migration_that_cannot_begin(mstore, old, tmp_path):
    (tmp_path / "file").touch()
    ran = mstore("convert", *old, *KEEP, "--journal", tmp_path / "file", "--report", tmp_path / "r.json")
    assert ran.exit_code == 73
    report = report_of(tmp_path / "r.json")
    assert (report["status"], states(report)) == ("failed", {"ann": "waiting", "bob": "waiting"})


def test_a_rate_and_low_priority(process, old, tmp_path):
    ran = process("convert", *old, *KEEP, "--rate", "10M", "--rate", "1000msg/s", "--nice", "--json")
    assert ran.exit_code == 0
    assert states(ran.object) == {"ann": "done", "bob": "done"}
    ran = process("convert", f"maildir:{tmp_path}/old/ann", f"sqlite:{tmp_path}/one.db", "--rate", "10M", "--nice")
    assert ran.exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_begun_again(mstore_command, process, old, tmp_path, number):
    words = ["convert", *old, *KEEP, "-j1", "--journal", str(tmp_path / "j"), "--report", str(tmp_path / "r.json")]
    running = subprocess.Popen(
        [*mstore_command, *words, "--rate", "0.01msg"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "new" / "bob.db").exists():
        assert running.poll() is None
    assert json.loads((tmp_path / "r.json").read_text())["status"] == "running"
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.endswith("mstore: interrupted: run the same command again to go on\n")
    assert "2 accounts: 0 done, 1 interrupted, 1 not begun; " in out
    report = report_of(tmp_path / "r.json")
    assert (report["status"], states(report)) == ("interrupted", {"ann": "waiting", "bob": "interrupted"})
    again = process(*words)
    assert again.exit_code == 0
    report = report_of(tmp_path / "r.json")
    assert report["status"] == "done"
    assert report["messages"]["found"] == 6


# --- the report of one conversion


def test_a_plan_as_a_report(mstore, old, tmp_path):
    words = ("convert", f"maildir:{tmp_path}/old/bob", f"sqlite:{tmp_path}/x.db", "-n", "-q")
    assert mstore(*words, "--report", tmp_path / "p.json", "--report", tmp_path / "p.html").exit_code == 0
    report = report_of(tmp_path / "p.json")
    (only,) = report["conversions"]
    assert (report["status"], only["status"], only["report"], only["plan"]["messages"]) == ("done", "done", None, 4)
    assert "Nothing was done: this is what would be." in (tmp_path / "p.html").read_text()
    assert not (tmp_path / "x.db").exists()


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.data = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags[-1][0] == "script":
            self.data += data
        else:
            self.words.append(data)


def test_the_report_of_one_conversion(mstore, old, tmp_path):
    break_bob(tmp_path)
    source, dest = f"maildir:{tmp_path}/old/bob", f"sqlite:{tmp_path}/one.db"
    (tmp_path / "r.html").write_text("old")
    ran = mstore("convert", source, dest, "--report", tmp_path / "r.json", "--report", tmp_path / "r.html", "--json")
    assert ran.exit_code == 1
    report = report_of(tmp_path / "r.json")
    (only,) = report["conversions"]
    assert (report["status"], only["user"], only["status"]) == ("failed", "", "failed")
    assert only["report"] == ran.object
    page = Page((tmp_path / "r.html").read_text())
    assert json.loads(page.data) == report
    assert "Not everything that was found has arrived" in " ".join(page.words)
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o600


def test_the_page_is_safe_and_says_what_failed(mstore, old, tmp_path):
    break_bob(tmp_path)
    assert mstore("convert", *old, *KEEP, "--report", tmp_path / "r.html").exit_code == 1
    text = (tmp_path / "r.html").read_text()
    page = Page(text)
    assert [tag for tag, _ in page.tags if tag in ("img", "script", "iframe", "object")] == ["script"]
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "default-src 'none'" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    words = " ".join("".join(page.words).split())
    assert "bob: 1 of 5 messages failed" in words
    assert "a symbolic link, which is not followed" in words
    opened = [attributes for tag, attributes in page.tags if tag == "details"]
    assert [("open" in attributes) for attributes in opened] == [True, False]
    assert {attributes.get("scope") for tag, attributes in page.tags if tag == "th"} == {"col"}


def test_a_report_is_written_where_the_conversion_fails(mstore, tmp_path):
    ran = mstore("convert", f"maildir:{tmp_path}/none", f"sqlite:{tmp_path}/x.db", "--report", tmp_path / "r.json")
    assert ran.exit_code == 66
    (only,) = report_of(tmp_path / "r.json")["conversions"]
    assert (only["status"], only["error"], only["report"]) == ("failed", "NoSuchStore", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_report_is_written_where_it_is_interrupted(mstore_command, tmp_path, old, number):
    words = ["convert", f"maildir:{tmp_path}/old/bob", f"sqlite:{tmp_path}/x.db", "--report", str(tmp_path / "r.json")]
    running = subprocess.Popen([*mstore_command, *words, "--rate", "0.01msg"], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / ".x.db.mstore-journal").exists():
        assert running.poll() is None
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "mstore: interrupted\n")
    report = report_of(tmp_path / "r.json")
    assert (report["status"], report["conversions"][0]["status"]) == ("interrupted", "interrupted")


def test_a_report_that_cannot_be_written_stops_before_anything(mstore, old, tmp_path):
    ran = mstore("convert", *old, *KEEP, "--report", tmp_path / "no" / "where.json")
    assert ran.exit_code == 73
    assert list((tmp_path / "new").iterdir()) == []
    ran = mstore("convert", f"maildir:{tmp_path}/old/ann", f"sqlite:{tmp_path}/x.db", "--report", "/proc/x.html")
    assert ran.exit_code in (73, 75)
    assert not (tmp_path / "x.db").exists()


def test_a_bar_for_the_whole_and_the_account_at_hand(old, mstore_command):
    """On a terminal: how many accounts are over, whose turn it is, and what is done with it."""
    pytest.importorskip("tqdm")
    import pty

    main, terminal = pty.openpty()
    words = [*mstore_command, "convert", *old, *KEEP, "-j1"]
    done = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=terminal, env={**os.environ, "COLUMNS": "120"})
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert b"0 of 2 accounts: bob, copying " in shown
    assert out.decode().splitlines()[0].startswith("bob: done; ")
