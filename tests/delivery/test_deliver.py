"""mailstore.delivery.deliver into every store."""

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstore import NoSuchStore, StorageFailure, StorageFull, UsageError, open_store
from mailstore.delivery import deliver
from mailstore.delivery.direct import maildir_at
from mailstore.system import fs
from mailstore.testing.faults import Plan, in_child

LOCATIONS = {"maildir": "maildir:{}/m", "fs": "maildir:{}/m?layout=fs", "mbox": "mbox:{}/m", "sqlite": "sqlite:{}/m.db"}
FORGED = b"Status: RO\nX-UID: 9\nX-IMAPbase: 1 2\nContent-Length: 3\n"
MAIL = b"Subject: hello\n" + FORGED + b"\nbody\nFrom here\n"


@pytest.fixture(params=LOCATIONS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    place = LOCATIONS[request.param].format(tmp_path)
    open_store(place, create=True).close()
    return place


def bodies(location: str, folder: str = "INBOX") -> list[bytes]:
    with open_store(location, readonly=True) as store:
        return [message.bytes() for message in store.folder(folder)]


def test_what_is_stored(location: str) -> None:
    gone = deliver(b"From ann@x Thu Nov  9 22:33:52 2023\n" + MAIL, location, recipient="joe@y")
    assert (gone.folder, gone.known) == ("INBOX", False)
    kept = MAIL.replace(FORGED, b"") if location.startswith("mbox") else MAIL
    assert bodies(location) == [b"Return-Path: <ann@x>\nDelivered-To: joe@y\n" + kept]
    with open_store(location, readonly=True) as store:
        (message,) = store.inbox
        assert message.flags == {"\\Recent"}
        if store.capabilities.unlocked_sender:
            assert message.sender == "ann@x"


def test_many_in_order(location: str) -> None:
    mails = [b"Subject: %d\n\nbody %d\n" % (number, number) for number in range(5)]
    for mail in mails:
        deliver(io.BytesIO(mail), location)
    assert bodies(location) == mails


def test_a_large_message_streams(location: str) -> None:
    mail = b"Subject: large\n\n" + b"From the middle\n\r\n" * 200_000
    deliver(io.BytesIO(mail), location, sender="")
    assert bodies(location) == [b"Return-Path: <>\n" + mail]


@pytest.mark.parametrize("message", [b"", b"From ann@x Thu\n"])
def test_an_empty_message_is_refused(location: str, message: bytes) -> None:
    with pytest.raises(UsageError, match="empty"):
        deliver(message, location)
    assert bodies(location) == []


def test_a_message_that_cannot_be_read_on(location: str) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 3_000_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(StorageFailure, match="the message cannot be read"):
        deliver(Torn(b"A: b\n\n" + b"x\n" * 4_000_000), location)
    assert bodies(location) == []


def test_folders(tmp_path: Path) -> None:
    location = f"maildir:{tmp_path}/m"
    deliver(MAIL, location, create=True)
    assert deliver(MAIL, location, folder="lists").folder == "INBOX"
    assert deliver(MAIL, location, folder="lists", create=True).folder == "lists"
    assert (len(bodies(location)), len(bodies(location, "lists"))) == (2, 1)


def test_a_file_has_no_folders(tmp_path: Path) -> None:
    location = f"mbox:{tmp_path}/m"
    open_store(location, create=True).close()
    assert deliver(b"A: b\n\nc\n", location, folder="lists", create=True).folder == "INBOX"
    assert bodies(location) == [b"A: b\n\nc\n"]


def test_nothing_is_made_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(NoSuchStore):
        deliver(MAIL, f"maildir:{tmp_path}/m")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("by", ["message-id", "content"])
def test_once(location: str, by: str) -> None:
    mail = b"Message-ID: <1@x>\nSubject: s\n\nbody\n"
    first = deliver(b"Received: a\n" + mail, location, once=by, recipient="joe@x")
    second = deliver(b"Received: b\n  c\n" + mail, location, once=by, recipient="ann@x")
    other = deliver(mail.replace(b"<1@x>", b"<2@x>"), location, once=by)
    changed = deliver(mail.replace(b"body", b"new"), location, once=by)
    assert [first.known, second.known, other.known, changed.known] == [False, True, False, by == "message-id"]
    assert len(bodies(location)) == (2 if by == "message-id" else 3)


def test_once_by_what(location: str) -> None:
    with pytest.raises(UsageError, match="message-id or by content"):
        deliver(MAIL, location, once="luck")
    assert bodies(location) == []


# --- straight into a Maildir


def test_which_locations_go_straight(tmp_path: Path) -> None:
    root = tmp_path / "m"
    assert maildir_at(f"maildir:{root}") is None
    open_store(f"maildir:{root}", create=True).close()
    assert maildir_at(f"maildir:{root}") == maildir_at(str(root)) == maildir_at(f"{root}/") == str(root)
    assert maildir_at(f"maildir:{root}?layout=fs") is None
    assert maildir_at(f"mbox:{root}") is None
    (root / "new").rename(root / "elsewhere")
    (root / "new").symlink_to(root / "elsewhere")
    assert maildir_at(f"maildir:{root}") is None


def test_the_straight_way_and_the_store_leave_the_same(tmp_path: Path) -> None:
    """Names of the same form, the same permissions, the same bytes: only what is unique differs."""
    seen = []
    for name, options in (("a", ""), ("b", "?layout=++")):
        root = tmp_path / name
        open_store(f"maildir:{root}", create=True).close()
        root.chmod(0o750)
        deliver(MAIL, f"maildir:{root}{options}", sender="ann@x")
        (entry,) = (root / "new").iterdir()
        unique, sizes = entry.name.split(",", 1)
        assert os.listdir(root / "tmp") == os.listdir(root / "cur") == []
        parts = unique.split(".", 2)
        seen.append(
            (len(parts[0]), parts[1][0], parts[2], sizes, stat.S_IMODE(entry.stat().st_mode), entry.read_bytes())
        )
    assert seen[0] == seen[1]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"From x"]), min_size=1), st.integers(1, 7))
def test_the_sizes_in_the_name(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], size: int) -> None:
    root = tmp_path_factory.mktemp("m")
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir()

    class Slow(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    mail = b"A: b\n\n" + b"".join(pieces)
    deliver(Slow(mail), f"maildir:{root}")
    (entry,) = (root / "new").iterdir()
    bare = mail.count(b"\n") - mail.count(b"\r\n")
    assert entry.read_bytes() == mail
    assert entry.name.endswith(f",S={len(mail)},W={len(mail) + bare}")


@pytest.mark.parametrize("how", ["kill", "tear", "fail", "full"])
def test_stopped_at_every_call(tmp_path: Path, how: str) -> None:
    """Nothing is visible that is not whole, nothing is acknowledged that is not there, and no file is left behind."""
    for at in range(1, 20):
        root = tmp_path / str(at)
        open_store(f"maildir:{root}", create=True).close()

        def work(root: Path = root, at: int = at) -> list[object]:
            plan = Plan(at, how)  # type: ignore[arg-type]
            with plan.at_work():
                try:
                    deliver(MAIL, f"maildir:{root}")
                except (StorageFailure, StorageFull) as error:
                    return [len(plan.seen) >= at, type(error).__name__]
            return [len(plan.seen) >= at, ""]

        answer = in_child(work)
        found = [entry.read_bytes() for entry in (root / "new").iterdir()]
        assert found in ([], [MAIL])
        if answer is not None and answer[1] == "":
            assert found == [MAIL]
            assert how != "fail" or not answer[0]
            if not answer[0]:
                break
        elif answer is not None and not found:
            assert os.listdir(root / "tmp") == []
        deliver(MAIL, f"maildir:{root}")
        assert set(bodies(f"maildir:{root}")) == {MAIL}
    else:
        raise AssertionError("it never came through")


def test_order_of_the_calls(tmp_path: Path) -> None:
    """Contents are synced before the name is there, the name before it is acknowledged."""
    open_store(f"maildir:{tmp_path}/m", create=True).close()
    plan = Plan()
    with plan.at_work():
        deliver(MAIL, f"maildir:{tmp_path}/m")
    assert plan.seen == ["open", "write", "write", "fsync", "rename", "fsync"]
    assert fs.calls.open is os.open
