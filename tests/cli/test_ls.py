"""mstore ls: a line a message, neutral, and accepted by every other command."""

import hashlib
import re

from mailstore import HEADER, FolderPath, open_store

KEYS = [
    "item",
    "folder",
    "uid",
    "size",
    "flags",
    "keywords",
    "recent",
    "internal_date",
    "from",
    "subject",
    "message_id",
]


def test_json_rows(mstore, memory, messages):
    ran = mstore("ls", memory, "--json")
    assert ran.exit_code == 0
    assert ran.stderr == ""
    first, second, third = ran.objects
    assert list(first) == KEYS
    assert first == {
        "item": "INBOX:1",
        "folder": "INBOX",
        "uid": 1,
        "size": len(messages["plain"]),
        "flags": ["\\Seen"],
        "keywords": ["$Forwarded", "Work"],
        "recent": False,
        "internal_date": "2023-11-14T22:13:20+00:00",
        "from": "Alice Example <alice@example.org>",
        "subject": "Hello there",
        "message_id": "<1@example.org>",
    }
    assert (second["from"], second["subject"]) == ("Jürgen Müller <juergen@example.org>", "Réponse")
    assert second["flags"] == ["\\Answered", "\\Flagged"]
    assert third["recent"] is True
    assert third["message_id"] == ""


def test_json_is_ascii(mstore, memory):
    assert mstore("ls", memory, "--json").stdout.isascii()


def test_digest(mstore, memory, messages):
    ran = mstore("ls", memory, "--json", "--digest")
    assert [row["sha256"] for row in ran.objects] == [
        hashlib.sha256(messages[name]).hexdigest() for name in ("plain", "encoded", "hostile")
    ]
    assert mstore("ls", memory, "--digest").exit_code == 64


def test_lines(mstore, memory):
    ran = mstore("ls", memory)
    assert ran.exit_code == 0
    assert [line.split()[:2] for line in ran.lines] == [
        ["INBOX:1", "....."],
        ["INBOX:2", "NAF.."],
        ["INBOX:3", "N...."],
    ]
    assert ran.lines[0].endswith("Alice Example           Hello there")
    assert "Jürgen Müller" in ran.lines[1]


def test_hostile_headers_steer_no_terminal(mstore, memory):
    line = mstore("ls", memory).lines[2]
    assert "Evil ]0;owned " in line
    assert line.endswith("red [31m\\u202etxt")
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", line)


def test_another_folder_and_all_folders(mstore, memory):
    assert [row["item"] for row in mstore("ls", memory, "-f", "Archive/2024", "--json").objects] == ["Archive/2024:1"]
    everything = [row["item"] for row in mstore("ls", memory, "-r", "--json").objects]
    assert everything == ["INBOX:1", "INBOX:2", "INBOX:3", "Archive/2024:1"]
    assert [row["item"] for row in mstore("ls", memory, "-r", "-f", "Archive", "--json").objects] == ["Archive/2024:1"]
    assert mstore("ls", memory, "-r", "-f", "Nowhere").exit_code == 66
    assert mstore("ls", memory, "-f", "Nowhere").exit_code == 66


def test_what_ls_prints_is_accepted_by_the_verbs(mstore, memory):
    listing = mstore("ls", memory, "-r").stdout
    ran = mstore("flag", memory, "-a", "Todo", "-", stdin=listing)
    assert ran.lines == ["INBOX:1", "INBOX:2", "INBOX:3", "Archive/2024:1"]
    listing = mstore("ls", memory, "-r", "--json").stdout
    assert mstore("flag", memory, "-r", "Todo", "-", stdin=listing).lines == ran.lines


def test_hostile_folder_names(mstore, memory):
    names = [("../x",), ("a b ", "c"), ("new\nline",), ("nul\0",), (" lead",), ("x:y@z",)]
    with open_store(memory) as store:
        for name in names:
            store.create(FolderPath(name)).append(b"Subject: x\n\n")
    ran = mstore("ls", memory, "-r")
    assert ran.exit_code == 0
    assert len(ran.lines) == 4 + len(names)
    listed = mstore("folder", "list", memory).lines
    assert len(listed) == 2 + len(names)
    for line in listed:
        assert mstore("ls", memory, "-f", line).exit_code == 0
    flagged = mstore("flag", memory, "-a", "seen", "-", stdin=ran.stdout)
    assert flagged.exit_code == 0
    assert len(flagged.lines) == 3 + len(names)


def test_an_unreadable_message_is_named_and_the_rest_is_listed(mstore, memory, monkeypatch):
    from mailstore import Folder, UnreadableMessage

    rows = Folder.rows

    def broken(self, want):
        for row in rows(self, want):
            yield row._replace(header=None, error=UnreadableMessage("torn", uid=2)) if row.uid == 2 else row

    monkeypatch.setattr(Folder, "rows", broken)
    ran = mstore("ls", memory, "--json")
    assert ran.exit_code == 1
    assert [row["uid"] for row in ran.objects] == [1, 2, 3]
    assert ran.objects[1]["error"] == "torn"
    assert ran.stderr == "mstore: INBOX:2: torn\n"


def test_what_is_no_message_is_named_and_not_listed(mstore, memory, monkeypatch):
    from mailstore import Folder, UnreadableMessage

    rows = Folder.rows

    def broken(self, want):
        yield from rows(self, want)
        yield next(iter(rows(self, want)))._replace(uid=0, error=UnreadableMessage("cur/x is a directory"))

    monkeypatch.setattr(Folder, "rows", broken)
    ran = mstore("ls", memory)
    assert (ran.exit_code, len(ran.lines)) == (1, 3)
    assert ran.stderr == "mstore: INBOX: cur/x is a directory\n"


def test_a_provisional_uid_carries_a_check(mstore, memory, monkeypatch):
    """Without a record of UIDs a number may mean another message by the time a command gets it."""
    from mailstore import Folder

    rows = Folder.rows
    monkeypatch.setattr(Folder, "rows", lambda self, want: (row._replace(recorded=False) for row in rows(self, want)))
    items = [line.split()[0] for line in mstore("ls", memory).lines]
    with open_store(memory) as store:
        headers = [message.header() for message in store.inbox.messages(HEADER)]
    assert items == [
        f"INBOX:{number}@{hashlib.sha256(header).hexdigest()[:8]}" for number, header in enumerate(headers, 1)
    ]
    monkeypatch.undo()
    assert mstore("cat", memory, items[0]).exit_code == 0
    moved_on = items[0].replace("INBOX:1", "INBOX:2")
    ran = mstore("expunge", memory, "--force", moved_on)
    assert ran.exit_code == 1
    assert ran.stdout == b""
    assert ran.stderr == "mstore: INBOX:2: another message has this number now; list the folder again\n"


def test_a_search_chooses(mstore, memory):
    def listed(*args):
        return [line["item"] for line in mstore("ls", "-r", memory, "--json", *args).objects]

    everything = listed()
    assert listed("--search", "all", "--limit", "2") == everything[:2]
    assert listed("--search", "from:alice") == ["INBOX:1", "Archive/2024:1"]
    assert listed("--search", "seen", "--search", "keyword:work") == ["INBOX:1"]
    assert listed("--older", "1d", "--larger", "1M") == []
    assert sorted(listed("--newer", "1d") + listed("--older", "1d")) == sorted(everything)
    assert listed("--smaller", "1M") == everything


def test_a_search_that_cannot_be_read(mstore, memory):
    ran = mstore("ls", memory, "--search", "from:alice lager:1M")
    assert (ran.exit_code, ran.stdout) == (64, b"")
    assert ran.stderr.startswith(
        "mstore: search 'from:alice lager:1M': no key is called 'lager'; there are from, to, cc,"
    )
    assert ran.stderr.endswith("(at character 12)\n")
    assert "'2x' is no time" in mstore("ls", memory, "--newer", "2x").stderr
