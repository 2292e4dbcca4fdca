"""Locations: how they are written, what a bare path means, and who opens them."""

import importlib.metadata
import os
import sys

import pytest

import mailstore
from mailstore import registry
from mailstore.errors import AmbiguousLocation, LocationError, NoSuchStore, NotAStore, StorageFailure, UsageError
from mailstore.spi import Location


def parsed(text):
    location = mailstore.parse_location(text)
    return location.format, location.path, dict(location.options)


def test_explicit_locations(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    assert parsed("maildir:~/Maildir") == ("maildir", f"{here}/Maildir", {})
    assert parsed("mbox:x?dialect=mboxcl2") == ("mbox", f"{here}/x", {"dialect": "mboxcl2"})
    assert parsed("mbox:~/mail:INBOX=/var/mail/joe") == ("mbox", f"{here}/mail", {"inbox": "/var/mail/joe"})
    assert parsed("maildir:~/Maildir:LAYOUT=fs") == ("maildir", f"{here}/Maildir", {"layout": "fs"})
    assert parsed("maildir:/m?layout=++") == ("maildir", "/m", {"layout": "++"})
    assert parsed("maildir:/m:LAYOUT=Maildir++") == ("maildir", "/m", {"layout": "++"})
    assert parsed("sqlite:/a/mail.db?account=joe%40example.org") == (
        "sqlite",
        "/a/mail.db",
        {"account": "joe@example.org"},
    )
    assert parsed("mbox:/what?") == ("mbox", "/what?", {})
    assert parsed("mbox:/a?b/c") == ("mbox", "/a?b/c", {})
    assert parsed("memory:") == ("memory", "", {})


def test_a_location_reads_back_as_it_prints():
    for text in ("maildir:/m", "mbox:/m?dialect=mboxrd&inbox=/var/mail/joe"):
        assert str(mailstore.parse_location(text)) == text


@pytest.mark.parametrize("text", ["", "  ", "mbox:", "nonsense:/x", "mbox:/x\0y"])
def test_bad_locations(text):
    with pytest.raises(LocationError):
        mailstore.parse_location(text)


def test_an_unknown_option_is_named_with_those_there_are():
    with pytest.raises(LocationError, match=r"no option 'colour'.*there are"):
        mailstore.open_store("maildir:/nowhere?colour=red")


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError):
        mailstore.open_store("memory:", readonly=True, create=True)
    with pytest.raises(UsageError):
        mailstore.open_store("memory:", mask={"warp"})
    with pytest.raises(UsageError):
        mailstore.open_store("memory:", index="somewhere")


def test_a_bare_path_that_is_not_there_follows_the_convention(tmp_path):
    assert mailstore.parse_location(f"{tmp_path}/box") == Location("mbox", f"{tmp_path}/box")
    assert mailstore.parse_location(f"{tmp_path}/box/") == Location("maildir", f"{tmp_path}/box")
    assert mailstore.parse_location(f"{tmp_path}/box.db") == Location("sqlite", f"{tmp_path}/box.db")


def test_a_bare_path_says_itself_what_it_is(tmp_path):
    (tmp_path / "box").write_bytes(b"From a@b Thu Jan  1 00:00:00 1970\nSubject: x\n\n")
    assert mailstore.parse_location(f"{tmp_path}/box").format == "mbox"
    for name in ("cur", "new", "tmp"):
        (tmp_path / "dir" / name).mkdir(parents=True)
    assert mailstore.parse_location(f"{tmp_path}/dir").format == "maildir"
    mailstore.open_store(f"sqlite:{tmp_path}/data", create=True).close()
    assert mailstore.parse_location(f"{tmp_path}/data").format == "sqlite"


def test_what_is_no_store_says_so(tmp_path):
    (tmp_path / "text").write_bytes(b"Dear diary\n")
    with pytest.raises(NotAStore, match="name its format"):
        mailstore.parse_location(f"{tmp_path}/text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAStore):
        mailstore.parse_location(f"{tmp_path}/empty")
    assert mailstore.parse_location(f"{tmp_path}/empty/").format == "maildir"
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(NoSuchStore, match="leads nowhere"):
        mailstore.parse_location(f"{tmp_path}/link")


class Everything:
    """A format that claims every path called ``ours``."""

    name = "everything"
    options = frozenset({"colour"})

    def detect(self, path):
        return "it is called ours" if os.path.basename(path) == "ours" else None

    def open(self, location, settings):
        raise NoSuchStore(f"opened {location} {settings.readonly}")


@pytest.fixture
def everything(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    mailstore.register(Everything())
    return Everything


def test_a_registered_format_is_found_listed_and_opened(everything, tmp_path):
    assert "everything" in mailstore.format_names()
    (tmp_path / "ours").write_bytes(b"whatever")
    assert mailstore.parse_location(f"{tmp_path}/ours") == Location("everything", f"{tmp_path}/ours")
    with pytest.raises(NoSuchStore, match="opened everything:/x\\?colour=red True"):
        mailstore.open_store("everything:/x?colour=red", readonly=True)


def test_two_readings_are_listed_and_none_is_chosen(everything, tmp_path):
    class Another(Everything):
        name = "another"

    mailstore.register(Another())
    (tmp_path / "ours").write_bytes(b"whatever")
    with pytest.raises(AmbiguousLocation) as caught:
        mailstore.parse_location(f"{tmp_path}/ours")
    assert caught.value.readings == (f"another:{tmp_path}/ours", f"everything:{tmp_path}/ours")
    assert [reading.format for reading in mailstore.detect(f"{tmp_path}/ours")] == ["another", "everything"]


def test_an_entry_point_is_loaded_only_when_asked_for(tmp_path, monkeypatch):
    package = tmp_path / "thirdparty-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[mailstore.drivers]\nthird = thirdparty_driver:FORMAT\n")
    (tmp_path / "thirdparty_driver.py").write_text(
        "class F:\n    name='third'\n    options=frozenset()\n    def detect(self, path): return None\n"
        "    def open(self, location, settings): raise RuntimeError('opened')\nFORMAT = F()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mailstore.open_store("memory:").close()
    assert "thirdparty_driver" not in sys.modules
    with pytest.raises(RuntimeError, match="opened"):
        mailstore.open_store("third:/x")


def test_looking_at_many_files_searches_the_packages_once(tmp_path, monkeypatch):
    asked = []
    search = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **only: asked.append(only) or search(**only))
    monkeypatch.syspath_prepend(tmp_path)
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(b"whatever")
        assert mailstore.detect(f"{tmp_path}/{number}") == []
    assert asked == [{"group": registry.ENTRY_POINTS}]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_bare_path_that_may_not_be_read_is_not_called_no_store(tmp_path, monkeypatch, kind):
    path = tmp_path / "thing"
    path.write_bytes(b"anything") if kind == "file" else path.mkdir()
    with pytest.raises(NotAStore):
        mailstore.parse_location(str(path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageFailure, match="permission denied"):
        mailstore.parse_location(str(path))


def test_dovecots_settings_are_followed_or_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    here = str(tmp_path)
    assert parsed("mbox:~/mail:INBOX=~/in:INDEX=/var/i:UTF-8") == (
        "mbox",
        f"{here}/mail",
        {"inbox": f"{here}/in", "names": "utf8"},
    )
    assert parsed("maildir:/m:CONTROL=/c:SUBSCRIPTIONS=s:DIRNAME=d:INDEX=MEMORY:NO-NOSELECT:VOLATILEDIR=/v") == (
        "maildir",
        "/m",
        {"control": "/c", "subscriptions": "s", "dirname": "d"},
    )
    for text in ("maildir:/m:LAYOUT=index", "maildir:/m:ALT=/a", "maildir:/m:BROKENCHAR=~", "maildir:/m:FOO=1"):
        with pytest.raises(LocationError, match="is not followed"):
            mailstore.parse_location(text)
    assert parsed("mbox:/m:x") == ("mbox", "/m:x", {})
