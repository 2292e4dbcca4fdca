"""The cases: what is compared with what, and the bars."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delivery import delivery
from benchmarks.lmtp import lmtp
from benchmarks.measure import Bar, Case, Contender, Run
from benchmarks.quota import large, many
from benchmarks.tools import mstore, python
from benchmarks.watch import watching

MB = 1 << 20
MEMORY = 64 * MB


@dataclass(frozen=True)
class Kit:
    """What the cases draw on.

    Attributes:
        inputs: makes each input once, by name.
        floors: C programs that compiled.
        peers: programs that are installed.
        count: messages of a corpus.
        listing: messages of the Maildir to be listed.
    """

    inputs: Callable[[str], Path]
    floors: dict[str, str]
    peers: dict[str, str]
    count: int
    listing: int


def _files(*subs: str) -> Callable[[Path, Run], int]:
    def count(place: Path, _: Run) -> int:
        return sum(len(os.listdir(place / sub)) for sub in subs if (place / sub).is_dir())

    return count


def _printed(_: Path, run: Run) -> int:
    return int(run.output.split()[0])


def _records(place: Path, _: Run) -> int:
    with (place / "out.mbox").open("rb") as file:
        return sum(line.startswith(b"From ") for line in file)


def _convert(source: str, destination: str, *flags: str) -> Callable[[Path], Sequence[str]]:
    return lambda place: [*mstore(), "convert", "--quiet", *flags, source, destination.format(place)]


def _shell(text: str, *arguments: Path | str) -> Callable[[Path], Sequence[str]]:
    return lambda place: ["sh", "-ec", text, "sh", str(place), *map(str, arguments)]


def to_maildir(kit: Kit, profile: str) -> Case:
    """Mbox to Maildir."""
    mbox, archive = kit.inputs(f"{profile}.mbox"), kit.inputs(f"{profile}.tar")
    ours = _files("out/cur", "out/new")
    contenders = [
        Contender("mstore convert --no-verify", _convert(f"mbox:{mbox}", "maildir:{}/out", "--no-verify"), kept=ours),
        Contender("mstore convert", _convert(f"mbox:{mbox}", "maildir:{}/out"), kept=ours),
        Contender(
            "tar -xf, sync -f", _shell('mkdir "$1/out"; tar -xf "$2" -C "$1/out"; sync -f "$1/out"', archive), kept=ours
        ),
    ]
    if "publish" in kit.floors:
        contenders.append(
            Contender("C: create, rename, one syncfs", lambda p: [kit.floors["publish"], str(mbox), f"{p}/out"])
        )
    if "mb2md" in kit.peers:
        contenders.append(
            Contender("mb2md (no sync)", lambda p: ["mb2md", "-s", str(mbox), "-d", f"{p}/out"], kept=ours)
        )
    if "git" in kit.peers:
        contenders.append(
            Contender("git mailsplit (no sync)", _shell('mkdir "$1/out"; git mailsplit -o"$1/out" -- "$2"', mbox))
        )
    contenders.append(
        Contender(
            "Python mailbox",
            lambda p: [*python("floors/stdlib_mailbox.py"), str(mbox), f"{p}/out"],
            rounds=1,
            kept=ours,
        )
    )
    if "doveadm" in kit.peers and profile == "small":
        contenders.append(Contender("doveadm import", lambda p: _doveadm_import(p, mbox), rounds=1))
    bars = [
        Bar("mstore convert --no-verify", "at most 2.0 x tar and sync", "tar -xf, sync -f", 2.0),
        Bar("mstore convert", "at most 3.0 x tar and sync", "tar -xf, sync -f", 3.0),
        Bar("mstore convert --no-verify", "at least 2 x as fast as mb2md", "mb2md (no sync)", 0.5),
    ]
    return Case(f"to-maildir-{profile}", f"mbox → Maildir, {_words(profile)}", contenders, bars, kit.count)


def _doveadm_import(place: Path, mbox: Path) -> Sequence[str]:
    """Dovecot's own importer, with a configuration of its own; it would write to the source, so it gets a copy."""
    (place / "box").mkdir()
    shutil.copyfile(mbox, place / "box" / "inbox")
    conf = place / "dovecot.conf"
    conf.write_text(
        f"mail_location = maildir:{place}/out\nmbox_write_locks = fcntl\nlog_path = /dev/stderr\nssl = no\n"
        f"first_valid_uid = 0\nfirst_valid_gid = 0\nbase_dir = {place}/run\nstate_dir = {place}/run\n"
    )
    command = ["env", "USER=joe", f"HOME={place}", "doveadm", "-c", str(conf)]
    command += ["import", f"mbox:{place}/box:INBOX={place}/box/inbox", "", "all"]
    if os.getuid():
        return command
    subprocess.run(["chown", "-R", "nobody", place], check=True)  # Dovecot reads no mail as root
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def to_mbox(kit: Kit, profile: str) -> Case:
    """Maildir to mbox."""
    maildir = kit.inputs(f"{profile}.maildir")
    ours = "mstore convert --no-verify"
    contenders = [
        Contender(ours, _convert(f"maildir:{maildir}", "mbox:{}/out.mbox", "--no-verify"), kept=_records),
        Contender("mstore convert", _convert(f"maildir:{maildir}", "mbox:{}/out.mbox")),
    ]
    bars = []
    if "cat_maildir" in kit.floors:
        cat = kit.floors["cat_maildir"]
        contenders += [
            Contender("C: cat to a file, fsync", lambda p: [cat, str(maildir), f"{p}/out"], kept=_printed),
            Contender("C: cat, nothing written", lambda _: [cat, str(maildir), "-"], kept=_printed),
        ]
        bars = [
            Bar(ours, "at most 4 x C cat (aim: 3)", "C: cat to a file, fsync", 4.0),
        ]
    return Case(f"to-mbox-{profile}", f"Maildir → mbox, {_words(profile)}", contenders, bars, kit.count)


def to_sqlite(kit: Kit, profile: str, form: str) -> Case:
    """Mbox or Maildir to SQLite."""
    source = kit.inputs(f"{profile}.{form}")
    ours = "mstore convert --no-verify"
    contenders = [
        Contender(ours, _convert(f"{form}:{source}", "sqlite:{}/out.db", "--no-verify")),
        Contender("mstore convert", _convert(f"{form}:{source}", "sqlite:{}/out.db")),
        Contender("bare apsw, one transaction", lambda p: [*python("floors/bare_apsw.py"), str(source), f"{p}/out.db"]),
    ]
    bars = [Bar(ours, "at most 2.5 x bare apsw (aim: 1.5)", "bare apsw, one transaction", 2.5)]
    return Case(f"{form}-to-sqlite-{profile}", f"{form} → SQLite, {_words(profile)}", contenders, bars)


def counting(kit: Kit) -> Case:
    """Count a mbox of about 1 GB."""
    big = kit.inputs("big.mbox")
    contenders = [
        Contender("len(inbox)", lambda _: [*python("probes/count.py"), f"mbox:{big}"], kept=_printed),
        Contender("mstore info", lambda _: [*mstore(), "info", f"mbox:{big}"]),
    ]
    if "count_from" in kit.floors:
        contenders.append(Contender("C: memmem", lambda _: [kit.floors["count_from"], str(big)], kept=_printed))
    if "grep" in kit.peers:
        contenders.append(Contender("grep -c", lambda _: ["grep", "-ac", "^From ", str(big)], kept=_printed))
    limit = big.stat().st_size / 0.5e9
    bars = [Bar("len(inbox)", f"{big.stat().st_size / 1e9:.2f} GB at 0.5 GB/s, 64 MB", seconds=limit, rss=MEMORY)]
    return Case("count", "Counting a 1 GB mbox", contenders, bars, kit.count * 18)


def listing(kit: Kit) -> Case:
    """List a large Maildir with flags."""
    maildir, indexed = kit.inputs("listing.maildir"), kit.inputs("indexed.maildir")
    inside: dict[str, bool] = {"internal": True}
    contenders = [
        Contender(
            "mailstore, no index",
            lambda _: [*python("probes/listing.py"), f"maildir:{maildir}", "memory"],
            **inside,
            kept=_printed,
        ),
        Contender(
            "mailstore, warm index",
            lambda _: [*python("probes/listing.py"), f"maildir:{indexed}", "beside"],
            **inside,
            kept=_printed,
        ),
        Contender(
            "os.listdir and a split", lambda _: [*python("floors/listdir.py"), str(maildir)], **inside, kept=_printed
        ),
    ]
    bars = [
        Bar("mailstore, no index", "at most 3 x os.listdir and split", "os.listdir and a split", 3.0),
        Bar("mailstore, warm index", "at most 3 x os.listdir and split", "os.listdir and a split", 3.0),
    ]
    return Case("listing", f"Listing {kit.listing:,} Maildir messages with flags", contenders, bars, kit.listing)


def huge(kit: Kit) -> Case:
    """One message of 1 GiB through the stores."""
    forms = {form: f"{form}:{kit.inputs(f'huge.{form}')}" for form in ("mbox", "maildir", "sqlite")}
    ends = {"mbox": "out.mbox", "maildir": "out", "sqlite": "out.db"}
    contenders, bars = [], []
    for source, location in forms.items():
        for to, end in ends.items():
            if source != to:
                name = f"{source} → {to}"
                contenders.append(Contender(name, _convert(location, f"{to}:{{}}/{end}"), rounds=1))
                bars.append(Bar(name, "within 64 MB", rss=MEMORY))
    return Case("huge", "A message of 1 GiB, verified", contenders, bars)


def sparse(kit: Kit) -> Case:
    """Open a sparse mbox of 10 GB."""
    box = kit.inputs("sparse.mbox")
    contenders = [
        Contender("len(inbox)", lambda _: [*python("probes/count.py"), f"mbox:{box}"], rounds=1, kept=_printed)
    ]
    if "count_from" in kit.floors:
        contenders.append(
            Contender("C: memmem", lambda _: [kit.floors["count_from"], str(box)], rounds=1, kept=_printed)
        )
    return Case(
        "sparse", "Opening a sparse mbox of 10 GB", contenders, [Bar("len(inbox)", "within 64 MB", rss=MEMORY)], 2
    )


def _words(profile: str) -> str:
    return {"small": "messages of 2-4 KB", "mixed": "messages of 28 KB (mean)"}[profile]


def all_cases(kit: Kit, only: Iterable[str] = ()) -> list[Case]:
    """Return the cases whose key starts with one of ``only``, or all; inputs are made on the way."""
    makers: dict[str, Callable[[], Case]] = {}
    for profile in ("small", "mixed"):
        makers[f"to-maildir-{profile}"] = lambda p=profile: to_maildir(kit, p)
        makers[f"to-mbox-{profile}"] = lambda p=profile: to_mbox(kit, p)
        for form in ("mbox", "maildir"):
            makers[f"{form}-to-sqlite-{profile}"] = lambda p=profile, f=form: to_sqlite(kit, p, f)
    makers |= {f.__name__: lambda f=f: f(kit) for f in (counting, listing, huge, sparse)}
    makers["delivery"] = lambda: delivery(kit.peers)
    makers["quota"] = lambda: large(kit.inputs("quota.maildir"), kit.listing, kit.peers)
    makers["quota-many"] = lambda: many(kit.inputs("quota.homes"))
    makers["lmtp"] = lambda: lmtp(kit.floors, kit.peers)
    makers["watch"] = watching
    wanted = tuple(only)
    return [make() for key, make in makers.items() if not wanted or key.startswith(wanted)]
