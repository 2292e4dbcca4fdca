"""cat, add, flag, expunge, copy, move: made for pipes, one item a line."""

from datetime import datetime

import pytest

from mailstore import open_store


def uids(location, folder="INBOX"):
    with open_store(location, readonly=True) as store:
        return [message.uid for message in store.folder(folder)]


def flags(location, uid, folder="INBOX"):
    with open_store(location, readonly=True) as store:
        return store.folder(folder).get(uid).flags - {"\\Recent"}


def body(location, uid, folder="INBOX"):
    with open_store(location, readonly=True) as store:
        return store.folder(folder).get(uid).bytes()


class TestCat:
    def test_exact_bytes(self, mstore, memory, messages):
        assert mstore("cat", memory, "1").stdout == messages["plain"]
        assert mstore("cat", memory, "-f", "Archive/2024", "1").stdout == messages["plain"]
        assert mstore("cat", memory, "INBOX:3").stdout == messages["hostile"]

    def test_many_in_the_order_named(self, mstore, memory, messages):
        assert mstore("cat", memory, "2", "1").stdout == messages["encoded"] + messages["plain"]
        assert mstore("cat", memory, "2-").stdout == messages["encoded"] + messages["hostile"]
        assert mstore("cat", memory, "-", stdin=b"INBOX:3 more words\n\n1\n").stdout == (
            messages["hostile"] + messages["plain"]
        )

    def test_each_once(self, mstore, memory, messages):
        assert mstore("cat", memory, "1", "1-1", "INBOX:1").stdout == messages["plain"]

    def test_not_there(self, mstore, memory, messages):
        ran = mstore("cat", memory, "1", "99")
        assert (ran.exit_code, ran.stdout) == (1, messages["plain"])
        assert ran.stderr == "mstore: INBOX:99: folder INBOX has no message 99\n"
        assert mstore("cat", memory, "-f", "Nowhere", "1").exit_code == 66
        assert mstore("cat", memory, "90-").exit_code == 0

    def test_one_that_cannot_be_read_leaves_the_others(self, mstore, memory, messages, monkeypatch):
        from mailstore import Folder, UnreadableMessage

        opened = Folder.open

        def broken(self, uid):
            if uid == 2:
                raise UnreadableMessage("permission denied", uid=uid)
            return opened(self, uid)

        monkeypatch.setattr(Folder, "open", broken)
        ran = mstore("cat", memory, "1-")
        assert (ran.exit_code, ran.stdout) == (1, messages["plain"] + messages["hostile"])
        assert ran.stderr == "mstore: INBOX:2: permission denied\n"

    def test_a_pipe_of_something_else(self, mstore, memory):
        for line in (b"hello\n", b"{}\n", b"{broken\n", b'{"uid": "1", "folder": "INBOX"}\n', b'{"error": {}}\n'):
            ran = mstore("cat", memory, "-", stdin=line)
            assert (ran.exit_code, ran.stdout) == (64, b"")
            assert ran.stderr.startswith("mstore: ")
            assert ran.stderr.count("\n") == 1

    def test_a_large_message(self, mstore, memory):
        large = b"Subject: large\n\n" + b"x" * 3_000_000
        assert mstore("add", memory, stdin=large).lines == ["INBOX:4"]
        assert mstore("cat", memory, "4").stdout == large


class TestAdd:
    def test_from_standard_input(self, mstore, memory):
        ran = mstore("add", memory, stdin=b"Subject: new\n\nbody")
        assert (ran.exit_code, ran.lines, ran.stderr) == (0, ["INBOX:4"], "")
        assert body(memory, 4) == b"Subject: new\n\nbody"
        assert flags(memory, 4) == set()

    def test_files(self, mstore, memory, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).write_bytes(f"Subject: {name}\n\n".encode())
        ran = mstore("add", memory, tmp_path / "a", "-", tmp_path / "b", stdin=b"Subject: in\n\n")
        assert ran.lines == ["INBOX:4", "INBOX:5", "INBOX:6"]
        assert [body(memory, uid) for uid in (4, 5, 6)] == [b"Subject: a\n\n", b"Subject: in\n\n", b"Subject: b\n\n"]

    def test_flags_sender_and_folder(self, mstore, memory):
        ran = mstore(
            "add", memory, "-f", "New/Deep", "--create", "--flag", "seen", "--flag", "\\Draft", "--flag", "Work",
            "--sender", "joe@example.org", "--json", stdin=b"\n\nx",
        )  # fmt: skip
        value = ran.object
        assert value.pop("uidvalidity") > 0
        assert value == {"item": "New/Deep:1", "folder": "New/Deep", "uid": 1, "file": "-"}
        assert flags(memory, 1, "New/Deep") == {"\\Seen", "\\Draft", "Work"}
        with open_store(memory) as store:
            assert store.folder("New/Deep").get(1).sender == "joe@example.org"

    @pytest.mark.parametrize(
        ("when", "moment"),
        [
            ("2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00+00:00"),
            ("@0", "1970-01-01T00:00:00+00:00"),
            ("@-5", "1969-12-31T23:59:55+00:00"),
            ("Sun, 22 Nov 2026 13:00:00 +0100", "2026-11-22T12:00:00+00:00"),
            ("header", "2024-02-29T12:00:00+00:00"),
        ],
    )
    def test_dates(self, mstore, memory, when, moment):
        mail = b"Received: x\r\nDate:  Thu, 29 Feb 2024 10:00:00 -0200\r\n\r\nDate: no\r\n"
        assert mstore("add", memory, "--date", when, stdin=mail).exit_code == 0
        assert mstore("ls", memory, "--json").objects[-1]["internal_date"] == moment
        assert body(memory, 4) == mail

    def test_local_dates(self, mstore, memory):
        assert mstore("add", memory, "--date", "2024-05-01 12:30", stdin=b"x: y\n\n").exit_code == 0
        with open_store(memory) as store:
            assert store.inbox.get(4).internal_date.timestamp() == datetime(2024, 5, 1, 12, 30).timestamp()

    def test_the_file_s_date(self, mstore, memory, tmp_path):
        import os

        (tmp_path / "m").write_bytes(b"a: b\n\n")
        os.utime(tmp_path / "m", (1, 1234567890))
        assert mstore("add", memory, "--date", "mtime", tmp_path / "m").exit_code == 0
        assert mstore("ls", memory, "--json").objects[-1]["internal_date"] == "2009-02-13T23:31:30+00:00"

    def test_what_cannot_be_added_is_named_and_the_rest_goes_on(self, mstore, memory, tmp_path):
        (tmp_path / "good").write_bytes(b"a: b\n\n")
        (tmp_path / "empty").write_bytes(b"")
        ran = mstore("add", memory, tmp_path / "missing", tmp_path, tmp_path / "empty", tmp_path / "good")
        assert (ran.exit_code, ran.lines) == (1, ["INBOX:4"])
        assert ran.stderr.splitlines() == [
            f"mstore: {tmp_path}/missing: No such file or directory",
            f"mstore: {tmp_path}: Is a directory",
            f"mstore: {tmp_path}/empty: it is empty, so it is no message",
        ]

    def test_alone_a_failure_has_its_own_code(self, mstore, memory, tmp_path):
        assert mstore("add", memory, tmp_path / "missing").exit_code == 66
        ran = mstore("add", memory, stdin=b"")
        assert (ran.exit_code, ran.stderr) == (64, "mstore: standard input: it is empty, so it is no message\n")
        assert mstore("add", memory, "--date", "header", stdin=b"a: b\n\n").exit_code == 64
        assert mstore("add", memory, "--date", "header", stdin=b"Date: yesterday\n\n").exit_code == 64
        assert uids(memory) == [1, 2, 3]

    @pytest.mark.parametrize(
        "arguments", [("--date", "soon"), ("--date", "@"), ("--flag", "\\Nonsense"), ("--flag", "two words")]
    )
    def test_nonsense_is_a_usage_error(self, mstore, memory, arguments):
        assert mstore("add", memory, *arguments, stdin=b"a: b\n\n").exit_code == 64
        assert uids(memory) == [1, 2, 3]

    def test_neither_store_nor_folder_comes_about_by_itself(self, mstore, memory):
        assert mstore("add", memory, "-f", "Nowhere", stdin=b"a: b\n\n").exit_code == 66
        assert mstore("add", "memory:never-made", stdin=b"a: b\n\n").exit_code == 66


class TestFlag:
    def test_add_and_remove(self, mstore, memory):
        ran = mstore("flag", memory, "2", "1", "-a", "seen", "-a", "$junk", "-r", "\\ANSWERED")
        assert (ran.exit_code, ran.lines, ran.stderr) == (0, ["INBOX:1", "INBOX:2"], "")
        assert flags(memory, 1) == {"\\Seen", "$Forwarded", "Work", "$Junk"}
        assert flags(memory, 2) == {"\\Seen", "\\Flagged", "$Junk"}

    def test_exactly_and_none(self, mstore, memory):
        assert mstore("flag", memory, "1", "--set", "deleted", "--set", "Other").lines == ["INBOX:1"]
        assert flags(memory, 1) == {"\\Deleted", "Other"}
        assert mstore("flag", memory, "1-2", "--clear").lines == ["INBOX:1", "INBOX:2"]
        assert flags(memory, 1) == flags(memory, 2) == set()

    def test_only_what_changed_is_printed(self, mstore, memory):
        assert mstore("flag", memory, "1-3", "-a", "seen").lines == ["INBOX:2", "INBOX:3"]
        assert mstore("flag", memory, "1-3", "-a", "seen").lines == []

    @pytest.mark.parametrize(
        "arguments", [(), ("-a", "seen", "--clear"), ("-a", "seen", "--set", "seen"), ("-a", "\\Recent"), ("-a", "a b")]
    )
    def test_nonsense_is_a_usage_error(self, mstore, memory, arguments):
        before = flags(memory, 1)
        assert mstore("flag", memory, "1", *arguments).exit_code == 64
        assert flags(memory, 1) == before

    def test_one_wrong_word_in_a_pipe_stops_all(self, mstore, memory):
        assert mstore("flag", memory, "-a", "Todo", "-", stdin=b"INBOX:1\nrubbish\n").exit_code == 64
        assert "Todo" not in flags(memory, 1)

    def test_gone_messages_are_named(self, mstore, memory):
        ran = mstore("flag", memory, "-a", "Todo", "1", "7")
        assert (ran.exit_code, ran.lines) == (1, ["INBOX:1"])
        assert "INBOX:7" in ran.stderr


class TestExpunge:
    def test_all_that_is_marked(self, mstore, memory):
        assert mstore("expunge", memory).lines == []
        ran = mstore("expunge", memory, "-f", "Archive/2024")
        assert (ran.exit_code, ran.lines) == (0, ["Archive/2024:1"])
        assert uids(memory, "Archive/2024") == []

    def test_unmarked_messages_stay(self, mstore, memory):
        mstore("flag", memory, "2", "-a", "deleted")
        ran = mstore("expunge", memory, "1-")
        assert (ran.exit_code, ran.lines) == (1, ["INBOX:2"])
        assert len(ran.stderr.splitlines()) == 2
        assert "INBOX:1: not marked deleted" in ran.stderr
        assert uids(memory) == [1, 3]

    def test_force(self, mstore, memory):
        assert mstore("expunge", memory, "--force").exit_code == 64
        assert mstore("expunge", memory, "--force", "1", "3").lines == ["INBOX:1", "INBOX:3"]
        assert uids(memory) == [2]


class TestCopyAndMove:
    def test_copy_to_another_store(self, mstore, memory, messages):
        other = f"{memory}-other"
        ran = mstore("copy", memory, other, "1-", "--create", "--json")
        assert ran.exit_code == 0
        assert [(row["folder"], row["uid"], row["to_folder"], row["to_uid"]) for row in ran.objects] == [
            ("INBOX", uid, "INBOX", uid) for uid in (1, 2, 3)
        ]
        assert all(row["item"] == f"INBOX:{row['to_uid']}" and row["to_uidvalidity"] > 0 for row in ran.objects)
        assert flags(other, 1) == {"\\Seen", "$Forwarded", "Work"}
        assert body(other, 1) == messages["plain"]
        assert uids(memory) == [1, 2, 3]

    def test_move_within_a_store(self, mstore, memory):
        ran = mstore("move", memory, memory, "1", "3", "-t", "Archive/2024")
        assert (ran.exit_code, ran.lines) == (0, ["Archive/2024:2", "Archive/2024:3"])
        assert uids(memory) == [2]
        assert uids(memory, "Archive/2024") == [1, 2, 3]

    def test_folders_of_the_same_name(self, mstore, memory):
        other = f"{memory}-other"
        listing = mstore("ls", memory, "-r").stdout
        ran = mstore("move", memory, other, "-", "--create", stdin=listing)
        assert ran.lines == ["INBOX:1", "INBOX:2", "INBOX:3", "Archive/2024:1"]
        assert uids(memory) == uids(memory, "Archive/2024") == []

    def test_refusals(self, mstore, memory):
        assert mstore("copy", memory, memory, "1").exit_code == 64
        assert mstore("move", memory, memory, "1", "-t", "INBOX").exit_code == 64
        assert mstore("copy", memory, memory, "1", "-t", "Nowhere").exit_code == 66
        assert mstore("copy", memory, "memory:never-made", "1").exit_code == 66
        assert uids(memory) == [1, 2, 3]

    def test_one_store_by_two_names_is_opened_once(self, tmp_path):
        from mailstore_cli.copy import same_store

        (tmp_path / "real").mkdir()
        (tmp_path / "alias").symlink_to(tmp_path / "real")
        assert same_store(f"maildir:{tmp_path}/real", f"maildir:{tmp_path}/alias/../alias")
        assert not same_store(f"maildir:{tmp_path}/real", f"mbox:{tmp_path}/real")
        assert not same_store("memory:", "memory:")
        assert same_store("memory:x", "memory:x")
