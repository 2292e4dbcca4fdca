"""Deterministic mail for benchmarks: the same profile, count and seed always give the same bytes.

Profiles: ``small`` (2-4 KB of text each), ``mixed`` (log-normal, mean about 28 KB, the large ones with base64
attachments), ``list`` (log-normal, mean about 6 KB: a mailing list's archive).
"""

from __future__ import annotations

import argparse
import base64
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FIRST, LAST = 1_100_000_000, 1_760_000_000
LARGEST = 2 << 20
VOCABULARY = (
    "a account after again all also and answer archive are as at attached backup because before box branch but by "
    "call change copy day delivery disk does draft file first folder for from get have header host if in inbox into "
    "is it kept last later letter list lost mail make message more move name new next not of on one only or order "
    "out please quota read reply rule same send server so some store sync thanks that the their then there this "
    "time to two under until us user very wait was we week were what when which will with work would yes you zone "
    "Grüße später façade naïve señor Ångström 東京 привет"
)
WORDS = VOCABULARY.split()
PEOPLE = [
    (f"{given} {family}", f"{given}.{family}@{host}".lower())
    for given in ("Ada", "Bela", "Chidi", "Dana", "Eero", "Farah", "Goran", "Hana")
    for family in ("Aalto", "Brandt", "Costa", "Dogan", "Eriksen", "Fofana")
    for host in ("mail.example.org", "example.net", "uni.example")
]
# (Maildir letter, mbox Status letters, mbox X-Status letter, share)
MARKS = (("F", "", "F", 0.05), ("R", "", "A", 0.2), ("S", "R", "", 0.75), ("T", "", "D", 0.02))


class Mail(NamedTuple):
    """One message and what an mbox or a Maildir notes beside it."""

    body: bytes
    letters: str
    date: int
    sender: str


def _line(rng: random.Random) -> bytes:
    if rng.random() < 0.12:
        return b""
    text = " ".join(rng.choices(WORDS, k=rng.randint(6, 13)))
    start = rng.random()
    return (("> " if start < 0.15 else "From " if start < 0.155 else ">From " if start < 0.157 else "") + text).encode()


def _pool(seed: int) -> list[bytes]:
    rng = random.Random(f"lines {seed}")
    return [_line(rng) + b"\n" for _ in range(4000)]


def _text(rng: random.Random, pool: list[bytes], size: int) -> bytes:
    lines = rng.choices(pool, k=max(1, size // 45))
    return b"".join(lines)[:size].rstrip(b"\n") + b"\n"


def _size(rng: random.Random, profile: str) -> int:
    if profile == "small":
        return rng.randint(2048, 4096)
    median, sigma = (3000, 1.2) if profile == "list" else (3900, 2.03)
    return int(min(max(rng.lognormvariate(math.log(median), sigma), 900), LARGEST))


def _stamp(epoch: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(epoch))


def _message(rng: random.Random, pool: list[bytes], number: int, size: int) -> Mail:
    date = rng.randint(FIRST, LAST)
    (name, address), (to, recipient) = rng.sample(PEOPLE, 2)
    host = address.partition("@")[2]
    head = [f"Return-Path: <{address}>"]
    head += [
        f"Received: from mx{hop}.{host} (mx{hop}.{host} [192.0.2.{rng.randint(1, 254)}])\n"
        f"\tby relay{hop}.example.org with ESMTPS id {rng.getrandbits(40):010x}\n"
        f"\tfor <{recipient}>; {_stamp(date - hop)}"
        for hop in range(rng.randint(1, 4))
    ]
    if rng.random() < 0.5:
        signature = base64.encodebytes(rng.randbytes(192)).decode().rstrip().replace("\n", "\n\t ")
        head.append(f"DKIM-Signature: v=1; a=rsa-sha256; d={host}; s=k1; h=from:to:subject;\n\tb={signature}")
    subject = " ".join(rng.choices(WORDS[:90], k=rng.randint(2, 9)))
    head += [
        f"From: {name} <{address}>",
        f"To: {to} <{recipient}>",
        f"Subject: {subject}",
        f"Date: {_stamp(date - 60)}",
        f"Message-ID: <{number}.{rng.getrandbits(64):x}@{host}>",
        "MIME-Version: 1.0",
    ]
    room = max(200, size - sum(map(len, head)) - 100)
    if room < 12_000:
        head.append("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit")
        body = _text(rng, pool, room)
    else:
        mark = f"=_{rng.getrandbits(96):x}"
        head.append(f'Content-Type: multipart/mixed; boundary="{mark}"')
        part = f"--{mark}\nContent-Type: {{}}\nContent-Transfer-Encoding: {{}}\n\n"
        body = (
            part.format("text/plain; charset=utf-8", "8bit").encode()
            + _text(rng, pool, 1500)
            + part.format("application/pdf", "base64").encode()
            + base64.encodebytes(rng.randbytes((room - 1700) * 57 // 78))
            + f"--{mark}--\n".encode()
        )
    letters = "".join(letter for letter, _, _, share in MARKS if rng.random() < share)
    return Mail("\n".join(head).encode() + b"\n\n" + body, letters, date, address)


def generate(profile: str, count: int, seed: int = 1) -> Iterator[Mail]:
    """Yield ``count`` messages."""
    pool = _pool(seed)
    for number in range(count):
        rng = random.Random(f"{profile} {seed} {number}")
        yield _message(rng, pool, number, _size(rng, profile))


def _quoted(body: bytes) -> bytes:
    """Quote as mboxrd: one more ``>`` before every line of ``>``s and ``From ``."""
    if b"From " not in body:
        return body
    lines = body.split(b"\n")
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)


def _marked(mail: Mail) -> bytes:
    """Return the message with its flags as mbox headers at the end of the header block."""
    status = "".join(status for letter, status, _, _ in MARKS if letter in mail.letters)
    xstatus = "".join(x for letter, _, x, _ in MARKS if letter in mail.letters)
    lines = f"Status: {status}O\n" + (f"X-Status: {xstatus}\n" if xstatus else "")
    head, _, body = mail.body.partition(b"\n\n")
    return head + b"\n" + lines.encode() + b"\n" + body


def write_mbox(path: Path, profile: str, count: int, *, times: int = 1) -> None:
    """Write an mboxrd file of ``count`` messages, the whole of it ``times`` over."""
    with path.open("wb", buffering=1 << 20) as out:
        for mail in generate(profile, count):
            out.write(f"From {mail.sender} {time.asctime(time.gmtime(mail.date))}\n".encode())
            out.write(_quoted(_marked(mail)) + b"\n")
        out.flush()
        if times > 1:
            block = path.read_bytes()
            for _ in range(times - 1):
                out.write(block)


def maildir_name(mail: Mail, number: int) -> str:
    """Return the file name a delivery in that order would give."""
    return f"{mail.date}.M{number:06d}P4711.bench,S={len(mail.body)}:2,{mail.letters}"


def write_maildir(path: Path, profile: str, count: int) -> None:
    """Write the same messages as a Maildir: all in ``cur``, mtime the date of delivery."""
    for sub in ("tmp", "new", "cur"):
        (path / sub).mkdir(parents=True)
    for number, mail in enumerate(generate(profile, count)):
        name = path / "cur" / maildir_name(mail, number)
        name.write_bytes(mail.body)
        os.utime(name, (mail.date, mail.date))


def main() -> None:
    """Write one corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=("mbox", "maildir"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--profile", choices=("small", "mixed", "list"), default="small")
    parser.add_argument("-n", "--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=1, help="mbox: write everything so many times")
    args = parser.parse_args()
    if args.form == "mbox":
        write_mbox(args.path, args.profile, args.count, times=args.times)
    else:
        write_maildir(args.path, args.profile, args.count)


if __name__ == "__main__":
    main()
