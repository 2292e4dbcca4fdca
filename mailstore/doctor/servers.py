"""Mail servers: how Postfix, Dovecot, Exim and qmail lock an mbox, as they are configured here.

What is not configurable is from their sources: Postfix ``mbox_open.c`` and ``dot_lockfile.c``, Dovecot ``mbox-lock.c``
and ``file-dotlock.c``, Exim ``appendfile.c``, qmail ``qmail-local.c``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mailstore.doctor import outputs
from mailstore.doctor.machine import Machine
from mailstore.doctor.report import DOTLOCK, FCNTL, FLOCK, Program, StaleRule


def postfix(machine: Machine) -> Iterator[Program]:
    """Yield ``local`` and ``virtual``."""
    tool = machine.find("postconf")
    if tool is None:
        return
    answer = machine.ask(tool)
    values = outputs.settings(answer.text) if answer is not None and answer.code == 0 else {}
    tries = values.get("deliver_lock_attempts", "")
    pause = outputs.seconds(values.get("deliver_lock_delay", "")) or 1.0
    stale = outputs.seconds(values.get("stale_lock_time", "")) or 500.0
    for key, name, setting, makes, idle in (
        ("postfix-local", "Postfix local", "mailbox_delivery_lock", "root", _local_is_idle(values)),
        ("postfix-virtual", "Postfix virtual", "virtual_mailbox_lock", "user", _virtual_is_idle(values)),
    ):
        told = outputs.methods(values[setting]) if setting in values else None
        chosen = (FCNTL, DOTLOCK) if told is None else told
        yield Program(
            key=key,
            name=name,
            path=tool,
            version=values.get("mail_version", ""),
            role="delivers",
            write=tuple(method for method in (DOTLOCK, FLOCK, FCNTL) if method in chosen),
            read=None,
            basis="default" if told is None else "configured",
            source="postconf could not be asked" if told is None else f"{setting} = {values[setting]}",
            gives_up=(int(tries) if tries.isdecimal() else 20) * pause,
            makes=makes,
            breaks=StaleRule(age=stale, clock="ctime") if DOTLOCK in chosen else None,
            uses_mbox=not idle,
            notes=("takes dotlock, flock, fcntl in this order, whatever order is written", *idle),
        )


def _local_is_idle(values: Mapping[str, str]) -> tuple[str, ...]:
    """Say why local(8) writes to no mailbox of its own; empty where it does."""
    for setting in ("mailbox_transport", "mailbox_command"):
        if values.get(setting):
            return (f"hands mail over: {setting} = {values[setting]}",)
    if values.get("home_mailbox", "").endswith("/"):
        return (f"delivers to a Maildir: home_mailbox = {values['home_mailbox']}",)
    return ()


def _virtual_is_idle(values: Mapping[str, str]) -> tuple[str, ...]:
    if values and not values.get("virtual_mailbox_maps"):
        return ("virtual_mailbox_maps is empty: it delivers nothing",)
    transport = values.get("virtual_transport", "virtual")
    return () if transport == "virtual" else (f"hands mail over: virtual_transport = {transport}",)


def dovecot(machine: Machine) -> Iterator[Program]:
    """Yield Dovecot: its IMAP and POP3 servers and its delivery agents all lock alike."""
    tool = machine.find("doveconf")
    if tool is None:
        return
    answer = machine.ask(tool, "-a")
    values = outputs.settings(answer.text) if answer is not None and answer.code == 0 else {}
    written, read = values.get("mbox_write_locks"), values.get("mbox_read_locks")
    known = written is not None and read is not None
    write = outputs.methods(written) if written is not None else (DOTLOCK, FCNTL)
    unchanged = outputs.seconds(values.get("mbox_dotlock_change_timeout", ""))
    waits = outputs.seconds(values.get("mbox_lock_timeout", ""))
    group = values.get("mail_privileged_group") or values.get("mail_access_groups") or ""
    idle = _no_mbox(values)
    yield Program(
        key="dovecot",
        name="Dovecot",
        path=tool,
        version=outputs.version(answer.text) if answer is not None else "",
        role="serves",
        write=write,
        read=outputs.methods(read) if read is not None else (FCNTL,),
        basis="configured" if known else "default",
        source=f"mbox_write_locks = {written}; mbox_read_locks = {read}" if known else "doveconf could not be asked",
        gives_up=300.0 if waits is None else waits,
        makes=f"group:{group.split()[0].rstrip(',')}" if group else "user",
        without="goes on" if "dotlock_try" in (written or "") else "fails",
        breaks=StaleRule(
            "host", 120.0 if unchanged is None else unchanged, "newest", living_pid=True, mailbox=True, kernel=True
        ),
        uses_mbox=not idle,
        notes=idle,
    )


def _no_mbox(values: Mapping[str, str]) -> tuple[str, ...]:
    """Say where Dovecot keeps mail if that is no mbox; empty where it may be one."""
    places = [
        value
        for name, value in values.items()
        if name.rpartition("/")[2] in ("mail_location", "location", "mail_driver") and value
    ]
    if not places or any(place.startswith("mbox") for place in places):
        return ()
    return (f"keeps mail in {', '.join(dict.fromkeys(places))}: opens no mbox",)


def exim(machine: Machine) -> Iterator[Program]:
    """Yield each appendfile transport of Exim that writes to files."""
    tool = machine.find("exim4", "exim")
    if tool is None:
        return
    answer = machine.ask(tool, "-bP", "transports")
    told = machine.ask(tool, "-bV")
    version = outputs.version(told.text) if told else ""
    found = outputs.transports(answer.text) if answer is not None and answer.code == 0 else {}
    if not found:
        yield _exim(tool, version, "", {})
    for name, options in found.items():
        files = not any(options.get(flag) == "yes" for flag in ("maildir_format", "mailstore_format"))
        if options.get("driver") == "appendfile" and files and not options.get("directory"):
            yield _exim(tool, version, name, options)


def _exim(tool: str, version: str, transport: str, options: Mapping[str, str]) -> Program:
    kept = (("use_lockfile", DOTLOCK, "yes"), ("use_fcntl_lock", FCNTL, "yes"), ("use_flock_lock", FLOCK, "no"))
    tries = options.get("lock_retries", "")
    pause = outputs.seconds(options.get("lock_interval", ""))
    timeout = outputs.seconds(options.get("lockfile_timeout", ""))
    group = options.get("group", "")
    return Program(
        key=f"exim-{transport}" if transport else "exim",
        name=f"Exim {transport}".rstrip(),
        path=tool,
        version=version,
        role="delivers",
        write=tuple(method for flag, method, default in kept if options.get(flag, default) == "yes"),
        read=None,
        basis="configured" if transport else "default",
        source=(
            "; ".join(f"{flag} = {options.get(flag, default)}" for flag, _, default in kept)
            if transport
            else "exim -bP transports tells this user nothing"
        ),
        gives_up=(int(tries) if tries.isdecimal() else 10) * (3.0 if pause is None else pause),
        makes=f"group:{group}" if group.isidentifier() else "user",
        breaks=StaleRule(age=1800.0 if timeout is None else timeout, clock="ctime"),
    )


def qmail(machine: Machine) -> Iterator[Program]:
    """Yield qmail-local, which knows flock alone."""
    path = machine.find("qmail-local")
    if path is not None:
        yield Program(
            key="qmail-local",
            name="qmail-local",
            path=path,
            version="",
            role="delivers",
            write=(FLOCK,),
            read=None,
            basis="default",
            source="qmail-local.c: flock, and no choice",
            gives_up=30.0,
        )
