"""mstore verify."""

import pytest

from mailstore import open_store


@pytest.fixture
def twin(mstore, memory):
    """A copy of the store."""
    other = f"{memory}-twin"
    with open_store(other, create=True):
        pass
    assert mstore("convert", memory, other).exit_code == 0
    return other


def test_the_same_mail(mstore, memory, twin):
    ran = mstore("verify", memory, twin)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.lines == ["the same mail: 4 messages in 2 folders; UIDs are the same"]
    report = mstore("verify", memory, twin, "--json").object
    assert (report["same"], report["messages"], report["folders"], report["differences"]) == (True, [4, 4], 2, [])
    ran = mstore("verify", memory, twin, "--quiet")
    assert (ran.exit_code, ran.stdout) == (0, b"")


def test_differences(mstore, memory, twin):
    with open_store(twin) as store:
        store.inbox.add_flags([1], ["\\Deleted"])
        store.inbox.expunge([1])
        store.inbox.add_flags([2], ["Extra"])
        store.create("More")
    ran = mstore("verify", memory, twin)
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert len(ran.lines) == 4
    assert ran.lines[0].startswith("INBOX, message 1: only-in-first: ")
    assert ran.lines[1].startswith("INBOX, message 2: keywords: ")
    assert ran.lines[2].startswith("More: only-in-second: ")
    assert ran.lines[3].startswith("3 differences: 4 and 3 messages in 2 folders; ")
    assert [
        (entry["folder"], entry["position"], entry["what"])
        for entry in mstore("verify", memory, twin, "--json").object["differences"]
    ] == [("INBOX", 1, "only-in-first"), ("INBOX", 2, "keywords"), ("More", 0, "only-in-second")]
    ran = mstore("verify", memory, twin, "-q")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, b"", "")


def test_choice_of_folders(mstore, memory, twin):
    with open_store(twin) as store:
        store.inbox.add_flags([1], ["Extra"])
    assert mstore("verify", memory, twin).exit_code == 1
    assert mstore("verify", memory, twin, "-f", "Archive/2024").exit_code == 0
    assert mstore("verify", memory, twin, "--exclude", "INBOX").exit_code == 0
    assert mstore("verify", memory, twin, "--include", "IN*").exit_code == 1
    assert mstore("verify", memory, twin, "-f", "Nowhere").exit_code == 66


def test_a_store_that_is_not_there(mstore, memory, tmp_path):
    assert mstore("verify", memory, f"sqlite:{tmp_path}/none.db").exit_code == 66
    assert list(tmp_path.iterdir()) == []
