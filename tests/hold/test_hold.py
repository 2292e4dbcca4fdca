"""A store that is held: its reader goes on, other programs' writers wait, and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailstore import Store, StoreBusy, open_store
from mailstore.model.info import BODY, META
from mailstore.testing.observe import tree

LOCATIONS = {
    "mbox": "mbox:{}/spool",
    "mboxtree": "mbox:{}/mail?layout=sbd",
    "maildir": "maildir:{}/Maildir",
    "sqlite": "sqlite:{}/mail.db",
}
DELIVER = (
    "import sys, mailstore as m; m.open_store(sys.argv[1], lock_timeout=float(sys.argv[2])).inbox.append(b'b: c\\n\\n')"
)


@pytest.fixture(params=LOCATIONS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with a message in each folder."""
    where = LOCATIONS[request.param].format(tmp_path)
    with open_store(where, create=True, folders=request.param == "mboxtree") as store:
        store.inbox.append(b"a: b\n\n")
        if store.capabilities.folders:
            store.create("other").append(b"c: d\n\n")
    return where


def paths(store: Store) -> list[object]:
    return [info.path for info in store.folders() if info.selectable]


def deliver(location: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DELIVER, location, str(timeout)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("readonly", [True, False])
def test_others_wait_and_we_read(location: str, readonly: bool, tmp_path: Path) -> None:
    with open_store(location, readonly=readonly) as store:
        holding = store.holding
        assert holding is not None
        # looking at the files of a database that is open drops SQLite's locks on it
        before = tree(tmp_path) if readonly else {}
        with holding.hold(paths(store)) as held:  # type: ignore[arg-type]
            ran = deliver(location, 0)
            assert ran.returncode == 1
            assert "StoreBusy" in ran.stderr
            held.refresh()
            for path in paths(store):
                assert len(list(store.folder(path).rows(META | BODY))) == 1  # type: ignore[arg-type]
            assert bool(held.gaps) is (store.capabilities.format == "maildir++")
        if readonly:
            assert contents(tree(tmp_path)) == contents(before)
    assert deliver(location, 10).returncode == 0


def contents(found: dict[str, tuple[int, int, bytes]]) -> dict[str, bytes]:
    """Return names and bytes; a lock that was there leaves its directory's time changed."""
    return {name: entry[2] for name, entry in found.items()}


def test_what_is_locked_is_waited_for(location: str) -> None:
    with open_store(location) as one, open_store(location, lock_timeout=0) as other:
        assert one.holding is not None
        assert other.holding is not None
        with one.holding.hold(paths(one)), pytest.raises(StoreBusy):  # type: ignore[arg-type]
            other.holding.hold(paths(other)).__enter__()  # type: ignore[arg-type]
        with other.holding.hold(paths(other)):  # type: ignore[arg-type]
            pass


def test_nothing_comes_to_an_inbox_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "other").write_bytes(b"")
    with open_store(f"mbox:{tmp_path}/mail", readonly=True) as store:
        assert store.holding is not None
        with store.holding.hold(paths(store)):  # type: ignore[arg-type]
            assert deliver(f"mbox:{tmp_path}/mail", 0).returncode == 1
    assert sorted(path.name for path in (tmp_path / "mail").iterdir()) == ["inbox", "other"]
    assert (tmp_path / "mail" / "inbox").stat().st_size == 0  # made by who wanted to deliver, who then had to wait
