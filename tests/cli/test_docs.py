"""docs/cli.md: every command and option is there, nothing else is, and the JSON schemas hold for real output."""

import fcntl
import importlib.util
import json
import re
from pathlib import Path

import click
import pytest

from mailstore import FolderPath, open_store
from mailstore.convert import LOSSES
from mailstore.survey import GROUPINGS
from mailstore_cli.exitcodes import MEANING
from mailstore_cli.main import mstore as group

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SCHEMAS = {
    name: json.loads(block)
    for name, block in re.findall(r"<!-- schema: ([a-z -]+) -->\n```json\n(.*?)```", TEXT, re.DOTALL)
}

_spec = importlib.util.spec_from_file_location("schema", Path(__file__).with_name("schema.py"))
schema = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schema)


def commands(command=group, path=("mstore",)):
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(click.Context(command)):
        yield from commands(command.get_command(click.Context(command), name), (*path, name))


ALL = dict(commands())


def section(path):
    title = " ".join(path)
    match = re.search(rf"^###? {title}\n(.*?)(?=^###? |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert match, f"docs/cli.md has no section {title!r}"
    return match[1]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_documented_and_every_documented_option_is_there(path):
    text = section(path)
    there = {
        name for option in ALL[path].params if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }  # fmt: skip
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    documented = set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z0-9-]*", prose))
    assert documented == there - {"--help", "-h"}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_synopsis_names_the_command(path):
    assert f"\n    {' '.join(path)} " in section(path)


def test_no_section_without_a_command():
    titles = {tuple(title.split()) for title in re.findall(r"^###? (mstore .*)$", TEXT, re.MULTILINE)}
    assert titles - {("mstore", "folder"), ("mstore", "doctor"), ("mstore", "quota")} == set(ALL)


def test_the_exit_codes_are_those_of_the_program():
    documented = {int(code): text for code, text in re.findall(r"^\| (\d+) \| (.*) \|$", TEXT, re.MULTILINE)}
    assert documented == MEANING


def hold(name, ran, count=None):
    objects = ran.objects
    assert objects
    assert count is None or len(objects) == count
    for value in objects:
        schema.check(value, SCHEMAS[name])


@pytest.fixture
def filled(memory):
    """The store with more in it: a virtual parent, a subscription without a folder, hostile names and dates."""
    with open_store(memory) as store:
        store.create("A/B/C", special_use="\\Archive")
        store.subscribe("Not/There")
        store.create(FolderPath(("../x\0 y",))).append(b"", internal_date=1 << 60, flags=["\\Seen", "\\Draft"])
    return memory


def test_schema_of_errors(mstore):
    hold("error", mstore("ls", "bogus:/x", "--json"), 1)
    hold("error", mstore("ls", "--json"), 1)


def test_schema_of_detect(mstore, tmp_path):
    (tmp_path / "box").write_bytes(b"From a@x Thu Nov  9 22:33:52 2023\n\n")
    (tmp_path / "link").symlink_to("box")
    hold("detect", mstore("detect", "--count", tmp_path, "--json"), 1)


def test_schema_of_takeover(mstore, tmp_path):
    with open_store(f"maildir:{tmp_path}/m", create=True) as store:
        store.inbox.append(b"x\n", keywords=["work"])
    hold("takeover", mstore("takeover", f"maildir:{tmp_path}/m?index=courier", "--json"), 1)


def test_schema_of_info(mstore, filled):
    hold("info", mstore("info", filled, "--json"), 1)


def test_schema_of_ls(mstore, filled):
    hold("ls", mstore("ls", filled, "-r", "--json"), 5)
    hold("ls", mstore("ls", filled, "-r", "--json", "--digest"), 5)


def test_schema_of_add(mstore, filled):
    hold("add", mstore("add", filled, "--json", stdin=b"a: b\n\n"), 1)


def test_schema_of_copy_and_move(mstore, filled):
    listing = mstore("ls", filled, "-r").stdout
    hold("copy", mstore("copy", filled, filled, "--json", "-t", "A/B/C", "-", stdin=listing), 5)
    hold("copy", mstore("move", filled, filled, "--json", "-t", "A/B/C", "-", stdin=listing), 5)


def test_schema_of_folder_list(mstore, filled):
    hold("folder list", mstore("folder", "list", filled, "--json"))


def test_schema_of_convert(mstore, filled, tmp_path):
    arguments = ("convert", filled, f"sqlite:{tmp_path}/mail.db", "--json")
    hold("convert dry-run", mstore(*arguments, "-n"), 1)
    hold("convert", mstore(*arguments), 1)
    hold("convert", mstore(*arguments), 1)
    hold("convert dry-run", mstore(*arguments, "-n"), 1)
    (tmp_path / "mail.mbox").touch()  # a file holds INBOX alone
    lossy = ("convert", filled, f"mbox:{tmp_path}/mail.mbox", "--json")
    plan = mstore(*lossy, "-n")
    hold("convert dry-run", plan, 1)
    assert plan.object["losses"]
    hold("convert", mstore(*lossy, *(f"--allow-loss={loss['name']}" for loss in plan.object["losses"])), 1)


def test_schema_of_sync(mstore, filled, tmp_path):
    arguments = ("sync", filled, f"sqlite:{tmp_path}/mail.db", "--json")
    hold("sync", mstore(*arguments), 1)
    with open_store(filled) as store:
        store.inbox.expunge([1], only_deleted=False)
    mstore("flag", f"sqlite:{tmp_path}/mail.db", "--add", "\\Flagged", "1")
    hold("sync", mstore(*arguments, "-n"), 1)
    ran = mstore(*arguments)
    hold("sync", ran, 1)
    assert ran.object["conflicts"]


def test_schema_of_verify(mstore, filled, memory, tmp_path):
    hold("verify", mstore("verify", filled, filled, "--json"), 1)
    ran = mstore("verify", filled, "memory:", "--json")
    hold("verify", ran, 1)
    assert {difference["what"] for difference in ran.object["differences"]} >= {"only-in-first", "subscription"}


def test_schema_of_doctor_locks(mstore, on_disk, tmp_path):
    (tmp_path / "stores" / "box").touch()
    (tmp_path / "stores" / "box.lock").write_text("1:elsewhere")
    with open(tmp_path / "stores" / "box", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        ran = mstore("doctor", "locks", f"mbox:{tmp_path / 'stores' / 'box'}", "--json")
    hold("doctor locks", ran, 1)
    assert len(ran.object["locks"]) == len(ran.object["lock_files"]) == 1
    hold("doctor locks", mstore("doctor", "locks", on_disk, "--json"), 1)


def test_schema_of_quota_show(mstore, filled, on_disk):
    for by in GROUPINGS:
        hold("quota show", mstore("quota", "show", filled, on_disk, "memory:nothing", "--by", by, "--json"), 1)
    hold("quota show", mstore("quota", "show", on_disk, "nothing/here", "--fast", "--json"), 1)


def test_schemas_of_other_quota_commands(mstore, filled, on_disk, tmp_path):
    hold("quota check", mstore("quota", "check", filled, on_disk, "--json"), 2)
    hold("quota explain", mstore("quota", "explain", filled, on_disk, "--json"), 2)
    mstore("quota", "show", filled)
    page = tmp_path / "page.html"
    hold("quota report", mstore("quota", "report", "--html", page, filled, on_disk, "--json"), 1)
    hold("quota history", mstore("quota", "history", filled, on_disk, "--json"), 2)


def test_every_loss_is_documented():
    table = dict(re.findall(r"^\| `([a-z][a-z-]*)` \| (.*) \|$", section(("mstore", "convert")), re.MULTILINE))
    assert table == LOSSES


def test_every_schema_is_tried():
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    tried = set(re.findall(r'(?:hold\(\s*|SCHEMAS\[)"([a-z -]+)"', tests))
    assert tried == set(SCHEMAS)
