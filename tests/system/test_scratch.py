"""Temporary files and directories that no store knows of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailstore.system import fs, scratch
from mailstore.testing.faults import Plan


@pytest.fixture(autouse=True)
def _no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMP", str(tmp_path))
    assert scratch.default_directory() == str(tmp_path)
    monkeypatch.setenv("TEMP", "")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    assert scratch.default_directory() == str(tmp_path)
    (tmp_path / "first").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "first"))
    assert scratch.default_directory() == str(tmp_path / "first")


def test_what_the_system_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_USUAL", (str(tmp_path / "none"), str(tmp_path)))
    assert scratch.default_directory() == str(tmp_path)
    monkeypatch.setattr(scratch, "_USUAL", (str(tmp_path / "none"),))
    with pytest.raises(FileNotFoundError, match="no directory for temporary files"):
        scratch.default_directory()


def test_a_directory_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with scratch.directory() as one, scratch.directory() as other:
        assert os.path.dirname(one) == os.path.dirname(other) == str(tmp_path)
        assert one != other
        assert os.stat(one).st_mode & 0o7777 == 0o700
        Path(one, "below").mkdir()
        Path(one, "below", "file").touch()
    assert os.listdir(tmp_path) == []
    with pytest.raises(ZeroDivisionError), scratch.directory():
        _ = 1 / 0
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Plan(1, "full").at_work(), pytest.raises(OSError, match="No space left") as caught, scratch.directory():
        pass
    assert caught.value.errno == errno.ENOSPC
    assert fs.TEMPORARY not in "".join(os.listdir(tmp_path))
