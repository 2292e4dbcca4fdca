"""Mail programs of users: mutt, NeoMutt, GNU Mailutils, s-nail, Alpine and c-client's programs, Python's ``mailbox``.

What they do not tell is from their manuals and from traces of their system calls (mutt 2.2.12, Mailutils 3.15, s-nail
14.9.24, Alpine 2.26). Users' own configuration files are not read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mailstore.doctor import outputs
from mailstore.doctor.machine import Answer, Machine
from mailstore.doctor.report import CCLIENT, DOTLOCK, FCNTL, FLOCK, Program, StaleRule


def mutt(machine: Machine) -> Iterator[Program]:
    """Yield mutt: kernel locks as it was built, then a dotlock by its set-group-id helper; the same to read."""
    path = machine.find("mutt")
    if path is None:
        return
    answer = machine.ask(path, "-v")
    options = outputs.compile_options(answer.text) if answer is not None else {}
    kernel = _kernel(options, "use_fcntl", "use_flock")
    locks = (*kernel, DOTLOCK) if options.get("use_dotlock", True) else kernel
    helper = machine.find("mutt_dotlock")
    group = machine.group(helper) if helper is not None else None
    yield _as_built("mutt", "mutt", path, answer, options, locks, f"group:{group}" if group else "user")


def neomutt(machine: Machine) -> Iterator[Program]:
    """Yield NeoMutt, whose newer versions know no dotlock."""
    path = machine.find("neomutt")
    if path is None:
        return
    answer = machine.ask(path, "-v")
    options = outputs.compile_options(answer.text) if answer is not None else {}
    locks = _kernel(options, "fcntl", "flock")
    if options.get("use_dotlock") or options.get("dotlock"):
        locks = (*locks, DOTLOCK)
    yield _as_built("neomutt", "NeoMutt", path, answer, options, locks)


def _as_built(
    key: str,
    name: str,
    path: str,
    answer: Answer | None,
    options: dict[str, bool],
    locks: tuple[str, ...],
    makes: str = "user",
) -> Program:
    """Return a program of mutt's kin, whose ``-v`` tells how it was built; it reads under the locks it writes under."""
    return Program(
        key=key,
        name=name,
        path=path,
        version=outputs.version(answer.text) if answer is not None else "",
        role="reads",
        write=locks,
        read=locks,
        basis="compiled" if options else "default",
        source=f"{key} -v" if options else f"{key} -v tells nothing",
        gives_up=5.0,
        makes=makes,
    )


def _kernel(options: dict[str, bool], fcntl: str, flock: str) -> tuple[str, ...]:
    chosen = ((FCNTL, options.get(fcntl, True)), (FLOCK, options.get(flock, False)))
    return tuple(method for method, there in chosen if there)


def mailutils(machine: Machine) -> Iterator[Program]:
    """Yield GNU Mailutils: ``mail``, ``movemail``, its IMAP and POP3 servers, all by one locker."""
    path = machine.find("mail.mailutils", "movemail.mailutils", "mailutils")
    if path is None:
        return
    answer = machine.ask(path, "--version")
    file = "/etc/mailutils.conf"
    text = machine.read(file)
    block = outputs.locking_block(text) if text is not None else None
    values = block or {}
    locks = {"kernel": (FCNTL,), "null": ()}.get(values.get("type", "default"), (DOTLOCK,))
    tries, pause = values.get("retry-count", ""), outputs.seconds(values.get("retry-sleep", ""))
    expires = outputs.seconds(values.get("expire-timeout", ""))
    pid_check = values.get("pid-check", "no") in ("yes", "true", "t", "1")
    yield Program(
        key="mailutils",
        name="GNU Mailutils",
        path=path,
        version=outputs.version(answer.text) if answer is not None else "",
        role="reads",
        write=locks,
        read=locks,
        basis="configured" if block is not None else "default",
        source=f"locking in {file}" if block is not None else f"no locking in {file}",
        gives_up=(int(tries) if tries.isdecimal() else 10) * (1.0 if pause is None else pause),
        without="goes on",
        breaks=StaleRule("any" if pid_check else "", expires) if pid_check or expires else None,
    )


def s_nail(machine: Machine, spool: bool) -> Iterator[Program]:
    """Yield s-nail: fcntl, and in the spool directory a dotlock by its helper."""
    path = machine.find("s-nail", "mailx.s-nail")
    if path is None:
        return
    answer = machine.ask(path, "-V")
    helper = machine.find("s-nail-dotlock", "/usr/lib/s-nail/s-nail-dotlock")
    group = machine.group(helper) if helper is not None else None
    yield Program(
        key="s-nail",
        name="s-nail",
        path=path,
        version=outputs.version(answer.text) if answer is not None else "",
        role="reads",
        write=(FCNTL, DOTLOCK) if spool else (FCNTL,),
        read=(FCNTL, DOTLOCK) if spool else (FCNTL,),
        basis="default",
        source="s-nail(1): a dotlock for the system mailbox alone",
        gives_up=2.0,
        makes=f"group:{group}" if group else "user",
    )


def c_client(machine: Machine) -> Iterator[Program]:
    """Yield Alpine and the programs of the UW IMAP toolkit, which share one library."""
    for key, name, role, names in (
        ("alpine", "Alpine", "reads", ("alpine", "pine")),
        ("uw-imapd", "UW imapd", "serves", ("imapd.uw", "uw-imapd")),
        ("uw-tools", "UW mailutil", "reads", ("mailutil", "dmail", "tmail")),
    ):
        path = machine.find(*names)
        if path is not None:
            answer = machine.ask(path, "-v") if key == "alpine" else None
            yield Program(
                key=key,
                name=name,
                path=path,
                version=outputs.version(answer.both) if answer is not None else "",
                role=role,
                write=(CCLIENT, DOTLOCK, FLOCK),
                read=(CCLIENT, DOTLOCK, FLOCK),
                basis="default",
                source="c-client: no choice",
                gives_up=300.0,
                without="goes on",
                breaks=StaleRule(age=300.0, clock="ctime"),
                notes=("takes flock, not fcntl; keeps its file in /tmp as long as the mailbox is open",),
            )


def python() -> Iterator[Program]:
    """Yield Python's ``mailbox``: this interpreter has it."""
    locks = (FCNTL, DOTLOCK)
    yield Program(
        key="python",
        name="Python mailbox",
        path=sys.executable,
        version=".".join(map(str, sys.version_info[:3])),
        role="reads",
        write=locks,
        read=None,
        basis="default",
        source="mailbox.py: only where a script calls lock()",
        keeps=False,
        gives_up=0.0,
        without="goes on",
        notes=("reads without any lock", "where it can make no dotlock, unlock() removes that of another program"),
    )
