"""The third party's driver keeps the contract, found by its entry point; this is all that a driver's author writes."""

import os
import subprocess
import sys
import tomllib

import pytest

from mailstore import format_names, open_store
from mailstore.testing import DriverContract, Harness


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory, examples):
    """Make the example what pip would make of it: a distribution with an entry point, for child processes too."""
    project = tomllib.loads((examples / "third_party_driver" / "pyproject.toml").read_text())["project"]
    site = tmp_path_factory.mktemp("site")
    info = site / "mailstore_json-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (entry,) = project["entry-points"]["mailstore.drivers"].items()
    (info / "entry_points.txt").write_text("[mailstore.drivers]\n{} = {}\n".format(*entry))
    for module in ("json_driver.py", "json_file.py"):
        (site / module).write_text((examples / "third_party_driver" / module).read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        yield


class JsonHarness(Harness):
    location_template = "json:{root}.json"


class TestJson(DriverContract):
    harness_class = JsonHarness


def test_it_is_a_format_like_any_other(tmp_path):
    assert "json" in format_names()
    command = [sys.executable, "-c", "from mailstore_cli.main import run; run()"]
    location = f"json:{tmp_path / 'mail.json'}"
    with open_store("memory:json-source", create=True) as source:
        source.create("A/B").append(b"Subject: x\n\nbody", flags=["\\Seen", "Work"], internal_date=1700000000)
        with open_store(location, create=True) as store:
            source.folder("A/B").copy([1], store.create("A/B"))
    for arguments in (["convert", location, f"maildir:{tmp_path}/Maildir"], ["info", tmp_path / "mail.json"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    with open_store(f"maildir:{tmp_path}/Maildir", readonly=True) as store:
        assert [message.bytes() for message in store.folder("A/B")] == [b"Subject: x\n\nbody"]


def test_a_damaged_file_is_an_error_of_the_tree(tmp_path):
    from mailstore import CorruptStore, NotAStore

    (tmp_path / "torn").write_bytes(b'{"mailstore-json": 1, "epoch"')
    with open_store(f"json:{tmp_path}/torn") as store, pytest.raises(CorruptStore):
        store.folders()
    (tmp_path / "other").write_bytes(b"{}")
    with pytest.raises(NotAStore):
        open_store(f"json:{tmp_path}/other")
