"""Several processes deliver at once into accounts that have room for some of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailstore import QuotaRules, Usage, open_store
from mailstore.quota import Group

WRITERS = 4
EACH = 6
ROOM = 10
DELIVER = """
import sys
from mailstore import QuotaExceeded, open_store
from mailstore.delivery import deliver

location, folder, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
taken = 0
for number in range(each):
    try:
        deliver(b"Subject: x\\n\\n".ljust(99, b"b") + b"\\n", location, folder=folder)
        taken += 1
    except QuotaExceeded:
        pass
print(taken, flush=True)
"""
STORES = {
    "mbox": "mbox:{root}/m",
    "mbox tree": "mbox:{root}/tree?layout=sbd",
    "sqlite": "sqlite:{root}/s.db",
    "maildir++": "maildir:{root}/md",
    "maildir": "maildir:{root}/fs?layout=fs",
}


def deliver_at_once(places: list[tuple[str, str]]) -> int:
    """Deliver into (location, folder) from a process for each, all at once; returns how many were taken."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", DELIVER, location, folder, str(EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for location, folder in places
    ]
    taken = 0
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        output, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        taken += int(output)
    return taken


@pytest.mark.parametrize("name", STORES)
def test_what_is_too_much_is_no_more_than_the_format_lets_in(tmp_path: Path, name: str) -> None:
    location = STORES[name].format(root=tmp_path)
    with open_store(location, create=True, folders=name == "mbox tree") as store:
        store.quota.set_rules(QuotaRules(messages=ROOM))
        folders = ["INBOX"]
        if store.capabilities.folders:
            store.create("lists")
            folders.append("lists")
        exact = store.capabilities.quota == "exact"
    taken = deliver_at_once([(location, folders[number % len(folders)]) for number in range(WRITERS)])
    with open_store(location) as store:
        assert store.usage().messages == taken
        assert store.quota.recalculate() == store.quota.usage()
        assert store.quota.usage().messages == taken
        assert store.quota.problems == []
    assert ROOM <= taken <= ROOM + (0 if exact else WRITERS - 1)


def test_a_group_takes_no_more_than_it_may_from_all_its_members(tmp_path: Path) -> None:
    rules = tmp_path / "group.toml"
    rules.write_text(f"messages = {ROOM}\n")
    group = Group(str(rules))
    group.reset(Usage(0, 0))
    locations = [STORES[name].format(root=tmp_path) for name in ("mbox", "sqlite", "maildir++", "maildir")]
    for location in locations:
        with open_store(location, create=True) as store:
            store.quota.set_rules(QuotaRules(groups=(str(rules),)))
    taken = deliver_at_once([(location, "INBOX") for location in locations])
    assert taken == ROOM
    held = []
    for location in locations:
        with open_store(location) as store:
            held.append(store.quota.usage())
    assert group.usage() == Usage(sum(one.messages for one in held), sum(one.size for one in held))
