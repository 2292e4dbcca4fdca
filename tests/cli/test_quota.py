"""``mstore quota``: what people see, exit codes, and what stays as it was."""

import json
import os

import pytest

from mailstore import open_store


def fill(location: str, *sizes: int) -> str:
    with open_store(location, create=True) as store:
        for number, size in enumerate(sizes):
            store.inbox.append(b"Subject: x\n\n" + b"x" * (size - 12), internal_date=1_700_000_000 + number)
    return location


@pytest.fixture
def homes(tmp_path):
    """Three Maildirs, and one that is none."""
    fill(f"maildir:{tmp_path}/ann/Maildir", 1000, 2000)
    fill(f"maildir:{tmp_path}/bob/Maildir", 500)
    fill(f"maildir:{tmp_path}/eve/Maildir")
    return f"maildir:{tmp_path}/*/Maildir"


def test_the_table(mstore, homes):
    ran = mstore("quota", "show", homes)
    assert ran.exit_code == 0
    assert [line.split()[:4] for line in ran.lines[:4]] == [
        ["Account", "Usage", "Limit", "Messages"],
        ["ann", "2.9K", "-", "-"],
        ["bob", "500", "-", "-"],
        ["eve", "0", "-", "-"],
    ]
    assert ran.lines[1].split()[4:] == ["2", "8.0K", "INBOX", "2023-11-14", "2023-11-14", "22:13"]
    assert ran.lines[5] == "3 accounts, 3.4K, 3 messages"
    assert ran.lines[6].startswith("Disk: ")
    assert ran.stderr == ""


def test_order_and_choice(mstore, homes):
    def names(*options):
        return [one["account"] for one in mstore("quota", "show", homes, "--json", *options).object["accounts"]]

    assert names() == ["ann", "bob", "eve"]
    assert names("--sort", "usage") == ["ann", "bob", "eve"]
    assert names("--sort", "last") == ["ann", "bob", "eve"]
    assert names("--sort", "messages", "--top", "1") == ["ann"]
    assert names("--over", "90%") == []
    assert names("--over", "0") == ["ann", "bob", "eve"]


def test_an_unreadable_account_is_named_and_the_others_go_on(mstore, homes, tmp_path):
    (tmp_path / "zoe").mkdir()
    (tmp_path / "zoe" / "Maildir").write_bytes(b"\0")
    ran = mstore("quota", "show", homes, "--json")
    assert ran.exit_code == 1
    assert [one["account"] for one in ran.object["accounts"]] == ["ann", "bob", "eve"]
    (bad,) = ran.object["unreadable"]
    assert (bad["account"], bad["temporary"]) == ("zoe", False)
    assert "zoe" in ran.stderr
    alone = mstore("quota", "show", f"maildir:{tmp_path}/zoe/Maildir")
    assert (alone.exit_code, alone.stdout) == (65, b"no account\n")
    assert mstore("quota", "show", f"maildir:{tmp_path}/none").exit_code == 66


@pytest.mark.parametrize(
    "options",
    [
        ["--by", "year", "--fast"], ["--json", "--csv"], ["--format", "csv", "--json"], ["--output", "x"],
        ["--over", "x"], ["--over", "-1"], ["--over", "nan"], ["--by", "year", "--over", "1"], ["--top", "0"],
    ],
)  # fmt: skip
def test_what_makes_no_sense(mstore, homes, options):
    ran = mstore("quota", "show", homes, *options)
    assert (ran.exit_code, ran.stderr.count("\n")) == (64, 1)


def test_many_accounts_are_not_looked_at_closely(mstore, tmp_path):
    for number in range(21):
        fill(f"sqlite:{tmp_path}/{number:02}.db", 100)
    ran = mstore("quota", "show", f"{tmp_path}/*.db", "--json")
    assert ran.object["depth"] == "sums"
    assert {one["total"] for one in ran.object["accounts"]} == {None}
    assert ran.object["usage"] == {"messages": 21, "bytes": 2100}
    assert mstore("quota", "show", f"{tmp_path}/*.db", "--json", "--full").object["depth"] == "messages"
    assert mstore("quota", "show", f"{tmp_path}/0*.db", "--json", "--fast").object["depth"] == "sums"


def test_hostile_names_steer_no_terminal(mstore, tmp_path):
    with open_store(f"maildir:{tmp_path}/a\x1b[31m/m", create=True) as store:
        store.create("x\x1b]0;y\x07").append(b"From: <\x1b[1m@x>\n\n" + b"x" * 5000)
    for options in ([], ["--by", "folder"], ["--by", "sender"], ["--csv"], ["--format", "prometheus"], ["--json"]):
        ran = mstore("quota", "show", f"maildir:{tmp_path}/*/m", *options)
        assert ran.exit_code == 0
        assert b"\x1b" not in ran.stdout


def test_output_into_a_file(mstore, homes, tmp_path):
    assert mstore("quota", "show", homes, "--format", "prometheus", "--output", tmp_path / "m.prom").stdout == b""
    assert 'mailstore_quota_usage_bytes{account="ann",' in (tmp_path / "m.prom").read_text()
    mstore("quota", "show", homes, "--json", "--output", tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text())["usage"]["messages"] == 3
    assert mstore("quota", "show", homes, "--csv", "--output", tmp_path / "no" / "x").exit_code == 73


def test_a_run_keeps_a_sample(mstore, homes, tmp_path):
    kept = tmp_path / "kept"
    mstore("quota", "show", homes, "--history", kept, "--no-history")
    assert not kept.exists()
    mstore("quota", "show", homes, "--history", kept, "--fast")
    assert len(list(kept.iterdir())) == 3
    ran = mstore("quota", "history", homes, "--history", kept, "--json")
    assert [[one["bytes"] for one in line["samples"]] for line in ran.objects] == [[3000], [500], [0]]
    text = mstore("quota", "history", homes, "--history", kept).text
    assert "No limit" in text
    assert "no sample yet" in mstore("quota", "history", homes, "--history", tmp_path / "other").text


def test_a_history_that_cannot_be_kept_is_no_failure(mstore, homes, tmp_path):
    (tmp_path / "file").touch()
    ran = mstore("quota", "show", homes, "--history", tmp_path / "file" / "x", "--json")
    assert (ran.exit_code, len(ran.object["accounts"])) == (0, 3)
    assert "no sample is kept" in ran.stderr


def test_growth_and_the_day_it_is_full(mstore, homes, tmp_path):
    kept = tmp_path / "kept"
    location = homes.replace("*", "bob")
    mstore("quota", "show", location, "--history", kept)
    (path,) = kept.iterdir()
    head = path.read_bytes().splitlines(keepends=True)[0]
    days = [b'{"t":%d,"b":%d,"m":1,"bl":1000000}\n' % (1_790_000_000 + n * 86400, 1000 * n) for n in range(40)]
    path.write_bytes(head + b"".join(days))
    ran = mstore("quota", "history", location, "--history", kept, "--last", "2", "--units", "B")
    assert [line.split()[2:] for line in ran.lines[1:4]] == [
        ["Change", "Limit", "Messages"], ["38000", "1000000", "1"], ["39000", "+1000", "1000000", "1"],
    ]  # fmt: skip
    assert ran.lines[-1] == "Full on 2029-06-17; +1000 a day over 40 samples of 90 days"
    assert mstore("quota", "history", location, "--history", kept, "--window", "x").exit_code == 64


def test_explain_shows_each_style(mstore, tmp_path):
    location = fill(f"sqlite:{tmp_path}/mail.db", 100)
    with open_store(location) as store:
        store.inbox.append(b"x" * 50, flags=["\\Deleted"])
        store.create("Trash").append(b"y" * 30)
    styles = {one["style"]: one for one in mstore("quota", "explain", location, "--json").object["styles"]}
    assert {name: (one["messages"], one["bytes"]) for name, one in styles.items()} == {
        "courier": (1, 100), "exim": (3, 180), "dovecot": (3, 180),
    }  # fmt: skip
    assert [(one["folder"], one["left_out_bytes"], one["reason"]) for one in styles["courier"]["folders"]] == [
        ("INBOX", 50, "flagged \\Deleted"), ("Trash", 30, "Trash"),
    ]  # fmt: skip
    text = mstore("quota", "explain", location).text
    assert "courier (holds here)" in text
    assert "exim\n" in text


def test_a_store_that_keeps_no_sums_has_no_drift(mstore, memory):
    ran = mstore("quota", "check", memory)
    assert ran.exit_code == 0
    assert "keeps no sums" in ran.text


def test_nothing_is_written_by_what_only_looks(mstore, homes, tmp_path):
    def state():
        return sorted(
            (os.path.join(top, name), os.stat(os.path.join(top, name)).st_mtime_ns)
            for top, _, files in os.walk(tmp_path)
            for name in (".", *files)
        )

    before = state()
    for command in (["show"], ["check"], ["explain"], ["history"]):
        assert mstore("quota", *command, homes).exit_code == 0
    assert state() == before


def test_the_rules_that_are_set_are_printed_and_kept(mstore, homes, tmp_path):
    bob = homes.replace("*", "bob")
    ran = mstore(
        "quota", "set", bob, "--storage", "2M", "--messages", "50", "--message-size", "1M", "--folders", "9",
        "--folder-messages", "20", "--grace", "10%", "--exclusive", "--style", "dovecot", "--folder", "Trash=+1M",
        "--folder", "Archive/Old=ignore", "--folder", "Sent=50%,messages=+7", "--folder", "Lists=messages=10%",
        "--warn", "95", "--warn", "80%", "--hysteresis", "3", "--warning-interval", "12h",
        "--group", "/g/b", "--group", "/g/a",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    assert ran.lines == [
        f"# {bob}", 'style = "dovecot"', 'storage = "2M"', "messages = 50", 'message_size = "1M"', "mailboxes = 9",
        "folder_messages = 20", 'grace = "10%"', "inclusive = false", "warnings = [80, 95]", "hysteresis = 3",
        "warning_interval = 43200", 'groups = ["/g/a", "/g/b"]', "", '[folder."Archive/Old"]', "ignore = true", "",
        "[folder.Lists]", 'messages = "10%"', "", "[folder.Sent]", 'storage = "50%"', 'messages = "+7"', "",
        "[folder.Trash]", 'storage = "+1M"',
    ]  # fmt: skip
    (tmp_path / "rules").write_bytes(ran.stdout)
    again = mstore("quota", "set", homes, "--rules", tmp_path / "rules")
    assert again.lines[1:26] == ran.lines[1:]
    less = mstore(
        "quota", "set", bob, "--messages", "none", "--message-size", "0", "--folder-messages", "none",
        "--folders", "none", "--grace", "none", "--inclusive", "--folder", "Archive/Old=none",
        "--folder", "Sent=none", "--folder", "Lists=none",
        "--warn", "none", "--group", "none", "--hysteresis", "5", "--warning-interval", "1d",
    )  # fmt: skip
    assert less.lines[1:] == ['style = "dovecot"', 'storage = "2M"', "", "[folder.Trash]", 'storage = "+1M"']
    shown = mstore("quota", "show", bob, "--json").object["accounts"][0]
    assert (shown["style"], shown["limit"]) == ("dovecot", {"bytes": 2 << 20, "messages": None})
    assert mstore("quota", "unset", bob).lines == [f"{bob}: no quota"]
    assert mstore("quota", "show", bob, "--json").object["accounts"][0]["limit"] == {"bytes": None, "messages": None}


@pytest.mark.parametrize(
    "options",
    [
        [], ["--storage", "x"], ["--storage", "9999999999T"], ["--messages", "-1"], ["--messages", "1.5"],
        ["--messages", "9" * 19], ["--folder", "Trash"], ["--folder", "=ignore"], ["--folder", "Trash="],
        ["--folder", "Trash=x"], ["--folder", "\\=ignore"], ["--warn", "x"], ["--warn", "none", "--warn", "1"],
        ["--warn", "1001"], ["--hysteresis", "101"], ["--warning-interval", "soon"], ["--group", "relative"],
        ["--style", "qmail"], ["--grace", "much"],
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_change_nothing(mstore, homes, options):
    ran = mstore("quota", "set", homes, *options)
    assert (ran.exit_code, ran.stderr.count("\n")) == (64, 1)
    assert mstore("quota", "explain", homes, "--json").objects[0]["style"] == "courier"
    assert {one["style"] for one in mstore("quota", "show", homes, "--json").object["accounts"]} == {None}


def test_drift_is_found_and_mended(mstore, homes, tmp_path, monkeypatch):
    monkeypatch.setattr("mailstore.system.clock.sleep", lambda seconds: None)
    mstore("quota", "set", homes, "--storage", "1M")
    assert [line.split(": ", 1)[1] for line in mstore("quota", "check", homes).lines] == [
        "right: 2 messages, 3000 bytes", "right: 1 message, 500 bytes", "right: 0 messages, 0 bytes",
    ]  # fmt: skip
    size = tmp_path / "bob" / "Maildir" / "maildirsize"
    wrong = size.read_bytes() + b"1000 1\n"
    size.write_bytes(wrong)
    ran = mstore("quota", "check", homes)
    assert ran.exit_code == 1
    assert ran.lines[1] == "bob: drift: kept 2 messages, 1500 bytes; there are 1 message, 500 bytes"
    assert size.read_bytes() == wrong
    facts = mstore("quota", "check", homes, "--json").objects[1]
    assert (facts["state"], facts["kept"]["bytes"], facts["counted"]["bytes"]) == ("drift", 1500, 500)
    ran = mstore("quota", "recalc", homes)
    assert ran.exit_code == 0
    assert ran.lines[1] == "bob: 1 message, 500 bytes (kept were 2 and 1500)"
    assert mstore("quota", "check", homes).exit_code == 0


def test_the_bar_and_the_percent(mstore, homes):
    mstore("quota", "set", homes, "--storage", "2000", "--messages", "10")
    ran = mstore("quota", "show", homes, "--fast")
    lines = {line.split()[0]: line.split()[1:] for line in ran.lines[1:4]}
    assert lines["ann"] == ["2.9K", "2.0K", "████████████", "150%", "2", "10"]
    assert lines["bob"] == ["500", "2.0K", "███░░░░░░░░░", "25%", "1", "10"]
    assert lines["eve"] == ["0", "2.0K", "░░░░░░░░░░░░", "0%", "0", "10"]
    over = mstore("quota", "show", homes, "--over", "25", "--sort", "percent", "--csv")
    assert [line.split(",")[0] for line in over.lines[1:]] == ["ann", "bob"]
    units = mstore("quota", "show", homes, "--fast", "--units", "K")
    assert units.lines[1].split()[1:3] == ["2.9K", "2.0K"]
    assert mstore("quota", "show", homes, "--fast", "--units", "B").lines[1].split()[1:3] == ["3000", "2000"]


def test_the_newest_years_come_first(mstore, tmp_path):
    with open_store(f"sqlite:{tmp_path}/m.db", create=True) as store:
        for year in range(5):
            store.inbox.append(b"x" * (year + 1), internal_date=1_600_000_000 + year * 366 * 86400)
        store.inbox.append(b"y", internal_date=1 << 60)
    ran = mstore("quota", "show", f"sqlite:{tmp_path}/m.db", "--by", "year", "--top", "2")
    assert [line.split()[0] for line in ran.lines] == ["Year", "2024", "2023", "(4"]
    groups = mstore("quota", "show", f"sqlite:{tmp_path}/m.db", "--by", "year", "--json").object["groups"]
    assert [one["key"] for one in groups] == ["2024", "2023", "2022", "2021", "2020", ""]


def test_the_shell_completes_commands_options_and_locations(tmp_path, monkeypatch):
    from click.shell_completion import ShellComplete

    from mailstore_cli.main import mstore as group

    complete = ShellComplete(group, {}, "mstore", "_MSTORE_COMPLETE")
    offered = {item.value for item in complete.get_completions(["quota"], "")}
    assert offered >= {"show", "set", "unset", "check", "recalc", "explain", "history", "report"}
    assert [item.value for item in complete.get_completions(["quota", "show", "--by"], "siz")] == ["size-class"]
    assert [item.value for item in complete.get_completions(["quota", "show"], "mail")] == ["maildir:"]
    assert [item.value for item in complete.get_completions(["quota", "report"], "--ht")] == ["--html"]


def test_a_group_is_shown_and_its_sum_begun(mstore, homes, tmp_path):
    rules = tmp_path / "group.toml"
    rules.write_text('storage = "5000"\nmessages = 10\n')
    for user in ("ann", "bob"):
        mstore("quota", "set", homes.replace("*", user), "--group", rules, "--storage", "1M")
    before = mstore("quota", "show", homes, "--json").object
    assert [one["groups"] for one in before["accounts"]] == [[str(rules)], [str(rules)], []]
    (shared,) = before["group_quotas"]
    assert (shared["path"], shared["members"], shared["usage"], shared["percent"]) == (str(rules), 2, None, None)
    assert "no sum yet" in mstore("quota", "show", homes).text
    ran = mstore("quota", "recalc", "--group", rules, homes)
    assert ran.lines[-1] == f"{rules}: 2 accounts, 3 messages, 3500 bytes"
    (shared,) = mstore("quota", "show", homes, "--json").object["group_quotas"]
    assert (shared["usage"], shared["percent"]) == ({"messages": 3, "bytes": 3500}, 70.0)
    line = next(line for line in mstore("quota", "show", homes, "--units", "B").lines if "group.toml" in line)
    assert line.split()[-6:] == ["3500", "5000", "████████░░░░", "70%", "3", "10"]
    text = mstore("quota", "show", homes, "--format", "prometheus").text
    assert f'mailstore_group_quota_usage_bytes{{group="{rules}"}} 3500' in text
    with open_store(homes.removeprefix("maildir:").replace("*", "bob")) as store:
        store.inbox.append(b"x" * 100)
    (shared,) = mstore("quota", "show", homes, "--json").object["group_quotas"]
    assert shared["usage"] == {"messages": 4, "bytes": 3600}
    page = tmp_path / "page.html"
    assert mstore("quota", "report", "--html", page, homes).exit_code == 0
    assert 'id="groups"' in page.read_text()


def test_a_group_keeps_its_sum_where_a_member_cannot_be_counted(mstore, homes, tmp_path):
    rules = tmp_path / "group.toml"
    rules.write_text('storage = "5000"\n')
    mstore("quota", "set", homes.replace("*", "ann"), "--group", rules)
    mstore("quota", "recalc", "--group", rules, homes)
    (tmp_path / "zoe").mkdir()
    (tmp_path / "zoe" / "Maildir").write_bytes(b"\0")
    sums = (tmp_path / "group.toml.sums").read_bytes()
    assert mstore("quota", "recalc", "--group", rules, homes).exit_code == 1
    assert (tmp_path / "group.toml.sums").read_bytes() == sums
    ran = mstore("quota", "recalc", "--group", tmp_path / "none.toml", homes)
    assert (ran.exit_code, ran.stdout) == (65, b"")
    rules.unlink()
    (shared,) = mstore("quota", "show", homes, "--json").object["group_quotas"]
    assert "No such file" in shared["problem"]


def test_a_group_counts_the_members_that_its_rules_name(mstore, homes, tmp_path):
    rules = tmp_path / "members.toml"
    rules.write_text("storage = '1M'\n")
    ran = mstore("quota", "recalc", "--group", rules)
    assert (ran.exit_code, ran.text) == (64, "")
    assert "name at least one LOCATION" in ran.stderr
    rules.write_text(f"members = ['{homes}']\n")
    ran = mstore("quota", "recalc", "--group", rules)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert f"{rules}: 3 accounts, " in ran.text
    total = (tmp_path / "members.toml.sums").read_bytes().split()[1:]
    assert f"{int(total[1])} messages, {int(total[0])} bytes" in ran.lines[-1]


def test_a_group_is_the_same_by_any_path(mstore, homes, tmp_path, monkeypatch):
    rules = tmp_path / "group.toml"
    rules.write_text('storage = "5000"\n')
    mstore("quota", "set", homes, "--group", rules)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in ("group.toml", "./group.toml", tmp_path / "link" / "group.toml"):
        ran = mstore("quota", "recalc", "--group", path, homes)
        assert ran.lines[-1].startswith(f"{path}: 3 accounts, ")


def test_no_sum_is_begun_of_accounts_that_are_in_no_group(mstore, homes, tmp_path):
    rules = tmp_path / "group.toml"
    rules.write_text('storage = "5000"\n')
    ran = mstore("quota", "recalc", "--group", rules, homes)
    assert ran.exit_code == 64
    assert "none of these accounts counts towards" in ran.stderr
    assert not (tmp_path / "group.toml.sums").exists()
