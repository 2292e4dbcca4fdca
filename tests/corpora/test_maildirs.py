"""Every Maildir of the corpora: as many messages as there are files, and the same over every format and back."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from support.converting import converted
from support.corpora import ROOT, maildirs, manifest, needs_corpora
from support.facts import everything

from mailstore import open_store

pytestmark = [pytest.mark.corpora, needs_corpora]


def files(name: str) -> Counter[str]:
    """Count the digests of the files in ``cur`` and ``new`` of a Maildir and its folders; dot files are no mail."""
    below = (Path(entry.name) for entry in manifest() if entry.name.startswith(f"{name}/"))
    mail = [path for path in below if path.parent.name in ("cur", "new") and not path.name.startswith(".")]
    return Counter(hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in mail)


@pytest.mark.parametrize("name", maildirs())
def test_to_each_format_and_back(name: str, tmp_path: Path) -> None:
    with open_store(f"maildir:{ROOT / name}", readonly=True) as store:
        wanted = everything(store)
        assert Counter(fact.digest for folder in wanted.values() for fact in folder) == files(name)
        for form in ("mboxtree", "sqlite", "memory", "maildir++"):
            with converted(store, form, tmp_path / form) as (there, report):
                assert report.problems == []
                assert everything(there) == wanted
                with converted(there, "maildir++", tmp_path / f"{form}-back") as (back, report):
                    assert report.problems == []
                    assert everything(back) == wanted


def test_uids_of_dovecots_list() -> None:
    """imapmaildir/remote was written by Dovecot: the UIDs are those of its dovecot-uidlist."""
    with open_store(f"maildir:{ROOT}/imapmaildir/remote", readonly=True) as store:
        lines = (ROOT / "imapmaildir/remote/dovecot-uidlist").read_text().splitlines()
        uidvalidity = int(lines[0].split(" V")[1].split()[0])
        recorded = {line.split(" :")[1].split(":2,")[0]: int(line.split()[0]) for line in lines[1:]}
        assert store.inbox.state().uidvalidity == uidvalidity
        found = {row.key: row.uid for row in store.inbox.rows(0)}
        assert found == {key: recorded[key] for key in found}
        assert len(found) == 3
