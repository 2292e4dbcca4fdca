"""``mstore detect``."""

from pathlib import Path

from support.mstore import mstore

MAIL = b"From a@x Thu Nov  9 22:33:52 2023\nSubject: 1\n\nx\n\n"


def test_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    for name in ("a", "b"):
        (tmp_path / "mail" / name).write_bytes(MAIL)
    (tmp_path / "old.pst").write_bytes(b"!BDN")
    (tmp_path / "link").symlink_to("mail")
    ran = mstore("detect", "--count", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    first, *lines = ran.out.splitlines()
    assert first.startswith(f"mbox:{tmp_path}/mail  (3 folders, 2 messages, ")
    assert lines == [
        "  a directory of mbox files (a begins with a From_ line), layout sbd",
        "Known, and no mail that can be read here:",
        f"  {tmp_path}/old.pst: Outlook's mail: convert it with readpst first",
        "Not followed:",
        f"  {tmp_path}/link: a symbolic link to mail",
    ]


def test_nothing(tmp_path: Path) -> None:
    ran = mstore("detect", tmp_path)
    assert (ran.code, ran.out, ran.err) == (1, "", "mstore: no mail was found\n")
    ran = mstore("detect", tmp_path / "missing")
    assert ran.code == 1
    assert f"{tmp_path}/missing: no such file or directory" in ran.err
