"""Every MH folder and every ``.eml`` file of the corpora."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from support.converting import converted
from support.corpora import ROOT, manifest, needs_corpora
from support.facts import everything

from mailstore import BODY, Store, detect, open_store
from mailstore.testing.observe import body_bytes

pytestmark = [pytest.mark.corpora, needs_corpora]


def found(store: Store) -> Counter[str]:
    """Count the digests of all messages."""
    rows = (row for info in store.folders() if info.selectable for row in store.folder(info.path).rows(BODY))
    return Counter(hashlib.sha256(body_bytes(row.body)).hexdigest() for row in rows)


def digests(*names: str) -> Counter[str]:
    return Counter(hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names)


def test_every_eml_file(tmp_path: Path) -> None:
    """As one tree: each file is one message, and another store holds the same."""
    files = [entry.name for entry in manifest() if entry.name.lower().endswith(".eml")]
    files = [name for name in files if not any(part.startswith(".") for part in name.split("/"))]
    with open_store(f"eml:{ROOT}", readonly=True) as store:
        assert found(store) == digests(*files)
        wanted = {path: facts for path, facts in everything(store).items() if facts}
        with converted(store, "memory", tmp_path / "there") as (there, report):
            assert report.problems == []
            assert report.verified
            assert {path: facts for path, facts in everything(there).items() if facts} == wanted


@pytest.mark.parametrize("name", ["teaparty", "mbox1", "mime"])
def test_mailutils_folders(name: str) -> None:
    place = f"mailutils-maildir/mh/{name}"
    files = [entry.name for entry in manifest() if entry.name.startswith(f"{place}/")]
    files = [file for file in files if file.rpartition("/")[2].isdigit()]
    assert files
    with open_store(f"mh:{ROOT}/{place}", readonly=True) as store:
        assert found(store) == digests(*files)
    assert [reading.format for reading in detect(str(ROOT / place))] == ["mh"]


@pytest.mark.parametrize("number", range(1, 8))
def test_what_neomutt_takes_for_mh(number: int) -> None:
    """Directories with nothing in them but a file of some program for MH."""
    readings = [reading.format for reading in detect(str(ROOT / f"neomutt-test-files/maildir/mh{number}"))]
    assert readings in (["mh"], [])
