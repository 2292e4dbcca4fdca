"""Maildirs made by hand, and what a store shows of them."""

import os
from pathlib import Path

from mailstore import Store, open_store
from mailstore.model.flags import flag_names
from mailstore.model.info import BODY, META, SIZE, Row

BODY_TEXT = b"Subject: x\n\nhello\n"


def make(root: Path, *folders: str) -> Path:
    for folder in ("", *folders):
        for part in ("tmp", "new", "cur"):
            (root / folder / part).mkdir(parents=True, exist_ok=True)
    return root


def put(folder: Path, name: str, body: bytes = BODY_TEXT, mtime: int = 1_000_000_000) -> Path:
    path = folder / name
    path.write_bytes(body)
    os.utime(path, (mtime, mtime))
    return path


def opened(root: Path, options: str = "", **settings: object) -> Store:
    return open_store(f"maildir:{root}{options}", lock_timeout=2.0, **settings)  # type: ignore[arg-type]


def rows(store: Store, folder: str = "INBOX", want: int = META | SIZE | BODY) -> list[Row]:
    return list(store.folder(folder).rows(want))


def shown(store: Store, folder: str = "INBOX") -> dict[int, tuple[str, ...]]:
    """Flags and keywords by UID."""
    return {row.uid: (*flag_names(row.flags), *sorted(row.keywords)) for row in rows(store, folder, 0)}


def names(folder: Path) -> list[str]:
    """Files of new and cur, sorted."""
    return sorted(f"{part}/{name}" for part in ("new", "cur") for name in os.listdir(folder / part))


def age(*paths: Path) -> None:
    """Make directories look as if nothing had changed in them for long."""
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))
