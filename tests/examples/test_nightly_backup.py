"""examples/nightly_backup.py: each night what is new, and nothing twice."""

import json
import subprocess
import sys

import pytest

from mailstore import open_store


@pytest.fixture
def back_up(examples, tmp_path):
    """Run the script."""

    def run(source, *arguments):
        command = [sys.executable, examples / "nightly_backup.py", source, tmp_path / "backup.db", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def live(tmp_path):
    location = f"sqlite:{tmp_path}/live.db"
    with open_store(location, create=True) as store:
        store.inbox.append(b"Subject: 1\n\n")
        store.create("Trash").append(b"Subject: junk\n\n")
    return location


def backed_up(tmp_path):
    with open_store(f"sqlite:{tmp_path}/backup.db", readonly=True) as store:
        return {str(info.path): [message.bytes() for message in store.folder(info.path)] for info in store.folders()}


def test_night_after_night(back_up, live, tmp_path):
    log = tmp_path / "log"
    arguments = ("--exclude", "Trash*", "--log", log)
    done = back_up(live, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert backed_up(tmp_path) == {"INBOX": [b"Subject: 1\n\n"]}
    with open_store(live) as store:
        store.inbox.expunge([1], only_deleted=False)
        store.inbox.append(b"Subject: 2\n\n")
    assert back_up(live, *arguments).returncode == 0
    assert back_up(live, *arguments).returncode == 0
    assert backed_up(tmp_path) == {"INBOX": [b"Subject: 1\n\n", b"Subject: 2\n\n"]}
    reports = [json.loads(line) for line in log.read_text().splitlines()]
    assert [report["messages"]["copied"] for report in reports] == [1, 1, 0]
    assert all(report["verified"] for report in reports)


def test_no_source_is_an_alarm(back_up, tmp_path):
    done = back_up(f"sqlite:{tmp_path}/none.db")
    assert done.returncode == 1
    assert done.stderr.startswith("backup of ")
    assert not (tmp_path / "backup.db").exists()
