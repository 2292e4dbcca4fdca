"""mstore info."""

FOLDER_KEYS = [
    "folder",
    "selectable",
    "subscribed",
    "special_use",
    "messages",
    "unseen",
    "recent",
    "bytes",
    "uidvalidity",
    "uidnext",
    "highestmodseq",
]


def test_json(mstore, memory, messages):
    ran = mstore("info", memory, "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    report = ran.object
    assert list(report) == [
        "location", "format", "evidence", "folders", "messages", "unseen", "bytes", "capabilities",
    ]  # fmt: skip
    assert (report["location"], report["format"], report["messages"], report["unseen"]) == (memory, "memory", 4, 3)
    assert report["evidence"]
    folders = {entry["folder"]: entry for entry in report["folders"]}
    inbox = folders["INBOX"]
    assert list(inbox) == FOLDER_KEYS
    assert (inbox["messages"], inbox["unseen"], inbox["uidnext"]) == (3, 2, 4)
    assert inbox["bytes"] == sum(map(len, messages.values()))
    assert inbox["uidvalidity"] > 0
    assert inbox["highestmodseq"] > 0
    assert report["bytes"] == inbox["bytes"] + len(messages["plain"])


def test_for_people(mstore, memory):
    ran = mstore("info", memory)
    assert ran.exit_code == 0
    assert ran.lines[0] == memory
    assert ran.lines[1] == "Format:   memory"
    assert ran.lines[2].startswith("Evidence: ")
    assert ran.lines[3].startswith("Messages: 4, 3 unseen, ")
    head = next(line for line in ran.lines if line.startswith("Folder"))
    assert head.split() == ["Folder", "Messages", "Unseen", "Bytes", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"]
    inbox = next(line for line in ran.lines if line.startswith("INBOX"))
    assert inbox.split()[1:3] == ["3", "2"]


def test_trouble_with_one_folder_leaves_the_others(mstore, memory, monkeypatch):
    from mailstore import Folder, NoSuchFolder

    state = Folder.state

    def vanishing(self):
        if self.path[0] == "Archive":
            raise NoSuchFolder("it went away", folder=str(self.path))
        return state(self)

    monkeypatch.setattr(Folder, "state", vanishing)
    ran = mstore("info", memory, "--json")
    assert (ran.exit_code, ran.stderr) == (1, "mstore: Archive/2024: it went away\n")
    folders = {entry["folder"]: entry for entry in ran.object["folders"]}
    assert folders["INBOX"]["messages"] == 3
    assert folders["Archive/2024"]["messages"] is None
    assert folders["Archive/2024"]["error"] == "it went away"
    assert "unreadable" in mstore("info", memory).text


def test_a_large_mbox_has_all_its_counters(mstore, tmp_path):
    """Such a file is counted without being parsed; its bytes and modseq come from the listing."""
    mail = b"Subject: big\n\n" + b"x" * 5_000_000 + b"\n"
    assert mstore("add", f"mbox:{tmp_path}/box", "--create", stdin=mail).exit_code == 0
    (tmp_path / "copy").write_bytes((tmp_path / "box").read_bytes())
    (inbox,) = mstore("info", f"{tmp_path}/copy", "--json").object["folders"]
    assert (inbox["messages"], inbox["bytes"], inbox["uidnext"]) == (1, len(mail), 2)
    assert inbox["highestmodseq"] > 0
