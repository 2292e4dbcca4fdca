"""One file for a message in several accounts, and when there is none."""

import os
from pathlib import Path

import pytest

from mailstore import INBOX, Append, Arrival, Meta, Store, open_store
from mailstore.model.flags import RECENT

BODY = b"Subject: x\n\nbody\n"
META = Meta(RECENT, internal_date=1_700_000_000)


def opened(path: Path) -> Store:
    return open_store(f"maildir:{path}", create=True, index="memory")


def files(path: Path) -> list[os.stat_result]:
    return [one.stat() for one in (path / "new").iterdir()]


def test_both_accounts_have_one_file(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        staged = one.stage([Arrival(BODY, META)])[0]
        assert other.adopt is not None
        adopted = other.adopt(staged)
        assert adopted is not None
        one.commit([Append(INBOX, staged)], need_uids=False)
        other.commit([Append(INBOX, adopted)], need_uids=False)
        (first,), (second,) = files(tmp_path / "a"), files(tmp_path / "b")
        assert (first.st_ino, first.st_nlink, first.st_mtime) == (second.st_ino, 2, 1_700_000_000)
        assert os.listdir(tmp_path / "a" / "tmp") == os.listdir(tmp_path / "b" / "tmp") == []


def test_a_date_of_its_own_does_not_change_the_shared_file(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        staged = one.stage([Arrival(BODY, META)])[0]
        assert other.adopt is not None
        adopted = other.adopt(staged)
        assert adopted is not None
        one.commit([Append(INBOX, staged)])
        other.commit([Append(INBOX, adopted, meta=META._replace(internal_date=5))])
        (first,), (second,) = files(tmp_path / "a"), files(tmp_path / "b")
        assert (first.st_mtime, second.st_mtime) == (1_700_000_000, 5)


def test_other_permissions_share_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        (tmp_path / "b" / "tmp").chmod(0o770)
        assert other.adopt is not None
        assert other.adopt(one.stage([Arrival(BODY, META)])[0]) is None
        assert os.listdir(tmp_path / "b" / "tmp") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give a directory away")
@pytest.mark.parametrize(("owner", "group"), [(1, -1), (-1, 1)])
def test_another_owner_or_group_shares_nothing(tmp_path: Path, owner: int, group: int) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        os.chown(tmp_path / "b" / "tmp", owner, group)
        assert other.adopt is not None
        assert other.adopt(one.stage([Arrival(BODY, META)])[0]) is None


def test_what_is_gone_is_not_adopted(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        staged = one.stage([Arrival(BODY, META)])[0]
        one.discard([staged])
        assert other.adopt is not None
        assert other.adopt(staged) is None
