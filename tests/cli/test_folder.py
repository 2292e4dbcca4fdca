"""mstore folder."""

from mailstore import open_store


def test_list(mstore, memory):
    ran = mstore("folder", "list", memory)
    assert (ran.exit_code, ran.lines) == (0, ["INBOX", "Archive/2024"])
    rows = mstore("folder", "list", memory, "--json").objects
    assert all(list(row) == ["folder", "id", "selectable", "subscribed", "special_use"] for row in rows)
    assert [row["folder"] for row in rows if row["selectable"]] == ["INBOX", "Archive/2024"]


def test_create_a_store(mstore):
    assert mstore("folder", "create", "memory:fresh").exit_code == 0
    assert mstore("folder", "list", "memory:fresh").lines == ["INBOX"]
    ran = mstore("folder", "create", "memory:fresh")
    assert (ran.exit_code, ran.stderr) == (73, "mstore: memory:fresh is a mail store already\n")
    assert mstore("folder", "create", "memory:fresh", "--exist-ok").exit_code == 0


def test_create_folders(mstore, memory):
    assert mstore("folder", "create", memory, "A/B", "C", "--subscribe").exit_code == 0
    assert mstore("folder", "list", memory, "--subscribed").lines == ["A/B", "C"]
    assert mstore("folder", "create", memory, "C").exit_code == 73
    assert mstore("folder", "create", memory, "C", "--exist-ok").exit_code == 0
    assert mstore("folder", "create", memory, "Bin", "--special-use", "\\Trash").exit_code == 0
    by_name = {row["folder"]: row for row in mstore("folder", "list", memory, "--json").objects}
    assert by_name["Bin"]["special_use"] == "\\Trash"


def test_nonsense(mstore, memory):
    assert mstore("folder", "create", memory, "--subscribe").exit_code == 64
    assert mstore("folder", "create", memory, "X", "Y", "--special-use", "\\Sent").exit_code == 64
    assert mstore("folder", "create", memory, "X", "--special-use", "\\Nonsense").exit_code == 64
    assert mstore("folder", "create", memory, "a//b").exit_code == 64
    assert mstore("folder", "list", memory).lines == ["INBOX", "Archive/2024"]


def test_rename(mstore, memory):
    assert mstore("folder", "rename", memory, "Archive", "Old").exit_code == 0
    assert mstore("folder", "list", memory).lines == ["INBOX", "Old/2024"]
    assert mstore("folder", "rename", memory, "Nowhere", "There").exit_code == 66
    assert mstore("folder", "rename", memory, "Old/2024", "INBOX").exit_code in (64, 73)
    assert mstore("folder", "rename", memory, "INBOX", "Was").exit_code == 0
    with open_store(memory) as store:
        assert (len(store.inbox), len(store.folder("Was"))) == (0, 3)


def test_delete(mstore, memory):
    ran = mstore("folder", "delete", memory, "Archive/2024")
    assert ran.exit_code == 64
    assert ran.stderr == "mstore: Archive/2024 holds 1 message; --force deletes them with it\n"
    assert mstore("folder", "delete", memory, "Archive/2024", "--force").exit_code == 0
    assert mstore("folder", "delete", memory, "Archive/2024").exit_code == 66
    assert mstore("folder", "delete", memory, "INBOX", "--force").exit_code == 64
    mstore("folder", "create", memory, "Empty")
    assert mstore("folder", "delete", memory, "Empty").exit_code == 0
    assert mstore("folder", "list", memory).lines == ["INBOX"]


def test_subscriptions(mstore, memory):
    assert mstore("folder", "subscribe", memory, "Archive/2024", "Not/There").exit_code == 0
    assert mstore("folder", "subscribe", memory, "Archive/2024").exit_code == 0
    assert mstore("folder", "list", memory, "--subscribed").lines == ["Archive/2024", "Not/There"]
    assert mstore("folder", "unsubscribe", memory, "Archive/2024").exit_code == 0
    assert mstore("folder", "list", memory, "--subscribed").lines == ["Not/There"]
