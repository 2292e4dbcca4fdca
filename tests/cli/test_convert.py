"""mstore convert: the plan, the report, the exit codes. What travels is tested with the library."""

import pytest

from mailstore import open_store


def bodies(location):
    with open_store(location, readonly=True) as store:
        return {
            str(info.path): [message.bytes() for message in store.folder(info.path)]
            for info in store.folders()
            if info.selectable
        }


def counts(report):
    return tuple(report["messages"][name] for name in ("found", "copied", "skipped", "failed"))


def test_the_report(mstore, memory, messages, tmp_path):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    report = ran.object
    assert report["source"] == memory
    assert report["destination"] == f"sqlite:{tmp_path}/mail.db"
    assert counts(report) == (4, 4, 0, 0)
    assert report["bytes"] == sum(map(len, messages.values())) + len(messages["plain"])
    assert (report["losses"], report["problems"], report["verified"]) == ([], [], True)
    assert [folder["folder"] for folder in report["folders"]] == ["INBOX", "Archive/2024"]
    assert report["seconds"] >= 0
    assert bodies(f"sqlite:{tmp_path}/mail.db") == bodies(memory)


def test_for_people(mstore, memory, tmp_path):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.lines[0] == f"{memory} -> sqlite:{tmp_path}/mail.db"
    assert next(line for line in ran.lines if line.startswith("INBOX")).split()[1:5] == ["3", "3", "0", "0"]
    assert ran.lines[-1].startswith("4 found, 4 copied (")
    assert ", 0 skipped, 0 failed; verified; " in ran.lines[-1]


def test_again_copies_nothing(mstore, memory, tmp_path):
    dest = f"sqlite:{tmp_path}/mail.db"
    assert mstore("convert", memory, dest).exit_code == 0
    ran = mstore("convert", memory, dest, "--json")
    assert ran.exit_code == 0
    assert counts(ran.object) == (4, 0, 4, 0)
    with open_store(memory) as store:
        store.inbox.append(b"Subject: late\n\n")
    assert counts(mstore("convert", memory, dest, "--json").object) == (5, 1, 4, 0)
    assert bodies(dest) == bodies(memory)


def test_quiet_and_not_verified(mstore, memory, tmp_path):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/a.db", "--quiet")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, b"", "")
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/b.db", "--no-verify", "--json")
    assert (ran.exit_code, ran.object["verified"]) == (0, None)
    assert mstore("convert", memory, f"sqlite:{tmp_path}/c.db", "--no-verify").lines[-1].count("not compared") == 1


def test_dry_run_changes_nothing(mstore, memory, tmp_path):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--dry-run", "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    plan = ran.object
    assert plan["dry_run"] is True
    assert (plan["messages"], plan["already"], plan["losses"], plan["problems"]) == (4, 0, [], [])
    assert [(folder["folder"], folder["messages"]) for folder in plan["folders"]] == [("INBOX", 3), ("Archive/2024", 1)]
    assert sum(folder["bytes"] for folder in plan["folders"]) == plan["bytes"]
    people = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "-n")
    assert (people.exit_code, people.lines[-1]) == (
        0,
        f"4 messages, {plan['bytes']} bytes; 0 of them are there already",
    )
    assert mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "-n", "-q").stdout == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "folders"),
    [
        (("--folder", "INBOX"), ["INBOX"]),
        (("-f", "Archive/2024", "-f", "inbox"), ["INBOX", "Archive/2024"]),
        (("--include", "Arch*"), ["Archive/2024"]),
        (("--exclude", "Arch*"), ["INBOX"]),
        (("--include", "*", "--exclude", "INBOX"), ["Archive/2024"]),
    ],
)
def test_choice_of_folders(mstore, memory, tmp_path, arguments, folders):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--json", *arguments)
    assert ran.exit_code == 0
    assert [folder["folder"] for folder in ran.object["folders"]] == folders
    assert {name for name, mail in bodies(f"sqlite:{tmp_path}/mail.db").items() if mail} == set(folders)


def test_losses_are_refused_unless_allowed(mstore, memory, tmp_path):
    dest = f"mbox:{tmp_path}/mail.mbox"
    (tmp_path / "mail.mbox").touch()  # a file holds INBOX alone
    with open_store(memory) as store:
        store.subscribe("Archive/2024")
    plan = mstore("convert", memory, dest, "--dry-run", "--json").object
    names = [loss["name"] for loss in plan["losses"]]
    assert "folders" in names
    assert all(loss["count"] > 0 and loss["explanation"] and loss["examples"] for loss in plan["losses"])
    ran = mstore("convert", memory, dest)
    assert (ran.exit_code, ran.stdout) == (1, b"")
    assert ran.stderr.startswith("mstore: ")
    assert ran.stderr.count("\n") == 1
    assert all(name in ran.stderr for name in names)
    assert [(entry.name, entry.stat().st_size) for entry in tmp_path.iterdir()] == [("mail.mbox", 0)]
    refused = mstore("convert", memory, dest, "--json").object["error"]
    assert (refused["kind"], refused["exit_code"]) == ("LossRefused", 1)
    allowed = [word for name in names for word in ("--allow-loss", name)]
    ran = mstore("convert", memory, dest, "--json", *allowed)
    assert (ran.exit_code, ran.stderr) == (1, "mstore: Archive/2024: left out, as allowed, with 1 message\n")
    report = ran.object
    assert [loss["name"] for loss in report["losses"]] == names
    assert counts(report) == (4, 3, 1, 0)
    people = mstore("convert", memory, dest, *allowed)
    assert "Lost, as allowed: " in people.text
    assert "left out" in mstore("convert", memory, dest, "-n").text
    chosen = ("--folder", "INBOX", "--allow-loss", "subscriptions")
    assert mstore("convert", memory, dest, *chosen).exit_code == 0  # what was not chosen was not found either


def test_a_message_that_cannot_be_read_is_named_and_the_rest_goes_on(mstore, tmp_path, messages):
    source = broken_by_a_dangling_link(tmp_path)
    ran = mstore("convert", source, f"sqlite:{tmp_path}/mail.db", "--json")
    assert ran.exit_code == 1
    report = ran.object
    assert counts(report) == (3, 2, 0, 1)
    (problem,) = report["problems"]
    assert (problem["folder"], problem["position"]) == ("INBOX", 2)
    assert problem["reason"]
    assert ran.stderr.startswith("mstore: INBOX, message 2: ")
    assert report["verified"] is not None


def maildir(tmp_path):
    root = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True)
    for number in (1, 2, 3):
        (root / "cur" / f"{1700000000 + number}.M{number}P1.host:2,S").write_bytes(b"Subject: %d\n\n" % number)
    return root


def broken_by_a_dangling_link(tmp_path):
    root = maildir(tmp_path)
    (root / "cur" / "1700000002.M2P1.host:2,S").unlink()
    (root / "cur" / "1700000002.M2P1.host:2,S").symlink_to("nowhere")
    return f"maildir:{root}"


def test_refusals_before_anything_is_done(mstore, memory, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file.txt").write_text("no mail\n")
    cases = {
        (f"sqlite:{tmp_path}/none.db", f"sqlite:{tmp_path}/x.db"): 66,
        (f"{tmp_path}/plain", f"sqlite:{tmp_path}/x.db"): 65,
        (memory, f"sqlite:{tmp_path}/no/such/directory/x.db"): 73,
        (memory, memory): 64,
        (memory, "bogus:x"): 64,
    }
    for (source, dest), code in cases.items():
        ran = mstore("convert", source, dest)
        assert (ran.exit_code, ran.stdout) == (code, b""), (source, dest, ran)
        assert ran.stderr.startswith("mstore: ")
        assert ran.stderr.count("\n") == 1
    assert mstore("convert", memory, f"sqlite:{tmp_path}/x.db", "--allow-loss", "everything").exit_code == 64
    assert mstore("convert", memory, f"sqlite:{tmp_path}/x.db", "--jobs", "-1").exit_code == 64
    assert mstore("convert", memory, f"sqlite:{tmp_path}/x.db", "-f", "Nowhere").exit_code == 66
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["plain"]


def test_journal_where_it_is_told(mstore, memory, tmp_path):
    journal = tmp_path / "notes"
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--journal", journal, "--json")
    assert ran.exit_code == 0
    assert ran.object["journal"] == str(journal)
    assert journal.exists()
    assert mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--journal", tmp_path).exit_code == 64


def test_a_conversion_imports_no_more_than_it_needs(process, tmp_path):
    """A conversion starts a process: what it imports is paid each time."""
    ran = process("convert", "memory:", f"sqlite:{tmp_path}/mail.db", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ran.exit_code == 0
    modules = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert not modules & {"tqdm", "asyncio", "email.parser", "zstandard", "unittest", "importlib.metadata"}


def test_a_message_that_is_refused_is_set_aside(mstore, memory, messages, tmp_path, monkeypatch):
    from mailstore import MessageTooLarge
    from mailstore.drivers.memory.driver import MemoryDriver

    stage = MemoryDriver.stage

    def picky(self, arrivals):
        if any(arrival.body == messages["encoded"] for arrival in arrivals):
            raise MessageTooLarge("too large \x1b[31m")
        return stage(self, arrivals)

    monkeypatch.setattr(MemoryDriver, "stage", picky)
    with open_store(f"{memory}-dest", create=True):
        pass
    ran = mstore("convert", memory, f"{memory}-dest", "--rejected", tmp_path / "aside", "--json")
    assert ran.exit_code == 1
    report = ran.object
    assert counts(report) == (4, 3, 0, 1)
    (problem,) = report["problems"]
    (aside,) = (tmp_path / "aside").iterdir()
    assert (problem["folder"], problem["position"], problem["error"]) == ("INBOX", 2, "MessageTooLarge")
    assert problem["set_aside"] == str(aside)
    assert aside.read_bytes() == messages["encoded"]
    assert ran.stderr.startswith("mstore: INBOX, message 2: too large ")
    assert ran.stderr.endswith(f"(its bytes are in {aside})\n")
    assert "\x1b" not in ran.stderr
    people = mstore("convert", memory, f"{memory}-dest", "--rejected", tmp_path / "aside")
    assert people.exit_code == 1
    assert "1 failed; " in people.lines[-1]


def test_folders_under_other_names(mstore, memory, tmp_path):
    dest = f"sqlite:{tmp_path}/mail.db"
    rules = ("--map", "Archive=Old", "--map", "Gone=Away", "--prefix", "joe")
    plan = mstore("convert", "--dry-run", memory, dest, *rules)
    assert plan.stderr == "mstore: --map Gone: the source has no such folder\n"
    assert any(line.startswith("Archive/2024 -> joe/Old/2024 ") for line in plan.lines)
    assert mstore("convert", memory, dest, *rules).exit_code == 0
    assert sorted(bodies(dest)) == ["INBOX", "joe/INBOX", "joe/Old/2024"]
    assert mstore("verify", memory, dest, *rules).exit_code == 0
    assert mstore("verify", memory, dest).exit_code == 1


def test_folders_that_would_come_together(mstore, memory, tmp_path):
    dest = f"sqlite:{tmp_path}/mail.db"
    rules = ("--map-regex", "s/.*/INBOX/")
    plan = mstore("convert", "--dry-run", memory, dest, *rules)
    assert plan.lines[-1] == (
        "Collision: INBOX: from INBOX and Archive/2024 (refused without --collisions merge or rename)"
    )
    assert mstore("convert", "--dry-run", "--json", memory, dest, *rules).object["collisions"] == [
        {"target": "INBOX", "sources": ["INBOX", "Archive/2024"]}
    ]
    ran = mstore("convert", memory, dest, *rules)
    assert ran.exit_code == 64
    assert "nothing was done: INBOX: from INBOX and Archive/2024" in ran.stderr
    assert mstore("convert", memory, dest, *rules, "--collisions", "merge").exit_code == 0
    assert len(bodies(dest)["INBOX"]) == 4


@pytest.mark.parametrize("rule", ["=x", "x=", "x"])
def test_what_is_no_map_is_refused(mstore, memory, tmp_path, rule):
    ran = mstore("convert", memory, f"sqlite:{tmp_path}/mail.db", "--map", rule)
    assert ran.exit_code != 0
    assert f"--map {rule}: give OLD=NEW" in ran.stderr
    assert not (tmp_path / "mail.db").exists()


def test_a_packed_archive(mstore, memory, tmp_path):
    dest = f"mbox:{tmp_path}/mail.mbox.gz"
    ran = mstore("convert", memory, dest, "--json")
    assert (ran.exit_code, list(tmp_path.iterdir())) == (1, [])
    for copied in (4, 0):
        rules = ("--map-regex", "s/.*/INBOX/", "--collisions", "merge")
        ran = mstore("convert", memory, dest, "--json", *rules)
        assert (ran.exit_code, ran.object["messages"]["copied"], ran.object["destination"]) == (0, copied, dest)
    assert (tmp_path / "mail.mbox.gz").read_bytes().startswith(b"\x1f\x8b")
    assert mstore("verify", memory, dest, *rules).exit_code == 0


def test_again_carries_what_changed(mstore, tmp_path):
    source, dest = f"sqlite:{tmp_path}/from.db", f"maildir:{tmp_path}/to"
    with open_store(source, create=True) as store:
        for folder in ("INBOX", "Old", "Gone"):
            for n in range(3):
                store.folder(folder, create=True).append(f"Subject: {folder} {n}\n\n".encode())
    assert mstore("convert", source, dest).exit_code == 0
    with open_store(source) as store:
        store.inbox.add_flags([1], ["\\Flagged"])
        store.inbox.expunge([2], only_deleted=False)
        store.inbox.move([3], store.folder("Old"))
        store.rename("Old", "New")
        store.delete("Gone")
    planned = mstore("convert", source, dest, "--dry-run")
    changes = [
        "INBOX: 1 with changed flags, 1 that SOURCE has no more",
        "New: renamed from Old, 1 moved here",
        "Gone: 3 that SOURCE has no more",
    ]
    assert [line for line in planned.lines if ": " in line and not line.startswith("sqlite")] == changes
    ran = mstore("convert", source, dest)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.lines[-4:-1] == [
        "INBOX: 1 with changed flags, 1 kept that SOURCE has no more",
        "New: renamed from Old, 1 moved here",
        "Gone: 3 kept that SOURCE has no more",
    ]
    assert ran.lines[-1].startswith("5 found, 0 copied (0 bytes), 1 moved, 4 skipped, 0 failed; verified; ")
    ran = mstore("convert", source, dest, "--delete")
    assert ran.exit_code == 1
    assert ran.stderr == (
        "mstore: Gone: nothing is left in the source of what was carried: 3 message(s) stay in the destination; "
        "if they are to go, force it (--force-delete)\n"
    )
    assert ran.lines[-3:-1] == ["INBOX: 1 deleted", "Gone: 3 kept that SOURCE has no more"]
    ran = mstore("convert", source, dest, "--force-delete", "--json")
    assert (ran.exit_code, ran.object["messages"]["deleted"]) == (0, 3)
    assert [folder["removed"] for folder in ran.object["folders"]] == [False, False, True]
    assert {name: len(found) for name, found in bodies(dest).items()} == {"INBOX": 1, "New": 4}


def test_a_search_and_a_limit(mstore, memory, tmp_path):
    dest = f"sqlite:{tmp_path}/mail.db"
    chosen = ("--search", "from:alice", "--newer", "100y")
    plan = mstore("convert", "--dry-run", "--json", memory, dest, *chosen).object
    assert (plan["messages"], plan["filtered"]) == (4, 2)
    ran = mstore("convert", memory, dest, *chosen, "--limit", "1")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "INBOX: 2 not chosen" in ran.lines
    assert ", 3 not chosen, " in ran.lines[-1]
    assert mstore("convert", memory, dest, *chosen, "--json").object["messages"]["copied"] == 1
    assert mstore("verify", memory, dest, *chosen).exit_code == 0
    assert mstore("verify", memory, dest).exit_code == 1
    assert mstore("convert", memory, dest, "--json").object["messages"]["copied"] == 2


def test_a_split(mstore, memory, tmp_path):
    merge = ("--map-regex", "s/.*/INBOX/", "--collisions", "merge")
    template = f"mbox:{tmp_path}/{{year}}.mbox.gz"
    assert [
        line["messages"]
        for line in mstore("convert", "-n", "--json", memory, template, "--split", "year", *merge).objects
    ] == [4, 4]
    ran = mstore("convert", memory, template, "--split", "year", "--json", *merge)
    assert (ran.exit_code, [one["messages"]["copied"] for one in ran.objects]) == (0, [1, 3])
    assert sorted(path.name for path in tmp_path.glob("*.gz")) == ["2020.mbox.gz", "2023.mbox.gz"]
    ran = mstore("convert", memory, f"mbox:{tmp_path}/{{folder}}.mbox", "--split", "folder", "-q")
    assert (ran.exit_code, ran.text) == (0, "")
    assert (tmp_path / "Archive.2024.mbox").exists()
    assert mstore("convert", memory, template, "--split", "month").exit_code == 64
    assert mstore("convert", memory, template, "--split", "year", "--journal", f"{tmp_path}/j").exit_code == 64
