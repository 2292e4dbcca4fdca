"""Delivery agents and lock helpers: procmail, maildrop, lockmail, dotlockfile.

What they do not tell is from their manuals and from traces of their system calls (procmail 3.22, maildrop 2.9.3,
liblockfile 1.17).
"""

from __future__ import annotations

from collections.abc import Iterator

from mailstore.doctor import outputs
from mailstore.doctor.machine import Machine
from mailstore.doctor.report import CCLIENT, DOTLOCK, FCNTL, Program, StaleRule


def procmail(machine: Machine) -> Iterator[Program]:
    """Yield procmail, which was built with its kernel locks."""
    path = machine.find("procmail")
    if path is None:
        return
    answer = machine.ask(path, "-v")
    told = outputs.strategies(answer.both) if answer is not None else ()
    yield Program(
        key="procmail",
        name="procmail",
        path=path,
        version=outputs.version(answer.both) if answer is not None else "",
        role="delivers",
        write=told or (DOTLOCK, FCNTL),
        read=None,
        basis="compiled" if told else "default",
        source="procmail -v" if told else "procmail -v tells nothing",
        makes=_group(machine, path),
        without="goes on",
        breaks=StaleRule(age=1024.0, clock="mtime", largest=16),
        notes=("a recipe without a second colon takes no dotlock but for the system mailbox",),
    )


def maildrop(machine: Machine) -> Iterator[Program]:
    """Yield maildrop and lockmail."""
    path = machine.find("maildrop")
    if path is not None:
        answer = machine.ask(path, "-v")
        yield Program(
            key="maildrop",
            name="maildrop",
            path=path,
            version=outputs.version(answer.both) if answer is not None else "",
            role="delivers",
            write=(DOTLOCK, FCNTL),
            read=None,
            basis="default",
            source="maildrop does not tell how it was built",
            gives_up=300.0,
            makes=_group(machine, path),
            breaks=StaleRule(age=60.0),
        )
    path = machine.find("lockmail", "lockmail.maildrop")
    if path is not None:
        yield Program(
            key="lockmail",
            name="lockmail",
            path=path,
            version="",
            role="helper",
            write=(CCLIENT, DOTLOCK, FCNTL),
            read=None,
            basis="default",
            source="lockmail(1)",
            keeps=False,
            gives_up=180.0,
            makes=_group(machine, path),
            without="goes on",
            breaks=StaleRule("host", 300.0, "mtime"),
        )


def liblockfile(machine: Machine) -> Iterator[Program]:
    """Yield dotlockfile, by which other programs make dotlocks in the spool directory."""
    path = machine.find("dotlockfile")
    if path is not None:
        yield Program(
            key="dotlockfile",
            name="dotlockfile",
            path=path,
            version="",
            role="helper",
            write=(DOTLOCK,),
            read=None,
            basis="default",
            source="dotlockfile(1)",
            keeps=False,
            gives_up=75.0,
            makes=_group(machine, path),
            breaks=StaleRule("any", 300.0, "mtime", living_pid=True),
        )


def _group(machine: Machine, path: str) -> str:
    group = machine.group(path)
    return f"group:{group}" if group else "user"
