"""Which of our lock presets to take beside the programs that are here.

A preset must share a lock with each of them; of those that do, the one whose order most of them take is the one that
waits least. Ours never waits while it holds a lock, so no order can deadlock with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailstore.doctor.conflicts import effective, excludes, makes_dotlock
from mailstore.doctor.report import DOTLOCK, FLOCK, Advice, Place, Program

_FIRST = "debian"


def advise(location: str, programs: Sequence[Program], place: Place, presets: Mapping[str, Sequence[str]]) -> Advice:
    """Choose one of ``presets`` (name to locks in their order) for the mbox at ``location``."""
    users = [program for program in programs if program.uses_mbox and program.role != "helper"]
    usable = [name for name in sorted(presets, key=lambda name: name != _FIRST) if presets[name]]
    name = min(usable, key=lambda name: (_cost(presets[name], users, place), *_taste(name, presets, users)))
    locks = presets[name]
    reasons = [f"{name} takes {', then '.join(locks)}"]
    met = [program.name for program in users if _excluded(locks, program, place)]
    missed = [program.name for program in users if program.name not in met]
    if met:
        reasons.append(f"it and {_names(met)} keep each other out")
    if missed:
        reasons.append(f"no preset keeps out {_names(missed)}{_flock_too(locks, users, missed)}")
    if not users:
        reasons.append("no program that uses an mbox was found: it is what Debian's policy asks of all")
    if DOTLOCK in locks and place.dotlock != "owner":
        helpers = [program.name for program in programs if program.role == "helper" and makes_dotlock(program, place)]
        by = f"{_names(helpers)} can" if helpers else "no helper that could is installed"
        reasons.append(f"{place.owner} may make no dotlock in {place.directory}; {by}")
    separator = "&" if "?" in location else "?"
    return Advice(name, f"{location}{separator}locks={name}", tuple(reasons))


def _flock_too(locks: Sequence[str], users: Sequence[Program], missed: Sequence[str]) -> str:
    """Say what to write to keep out those that know flock alone."""
    flocking = [program for program in users if program.name in missed and FLOCK in program.write]
    if not flocking:
        return ""
    return f"; locks={','.join([*locks, FLOCK])} does {_names([program.name for program in flocking])}"


def _excluded(locks: Sequence[str], program: Program, place: Place) -> bool:
    return excludes(locks, effective(program.write, program, place))


def _cost(locks: Sequence[str], users: Sequence[Program], place: Place) -> tuple[int, int, int]:
    """Count the programs not kept out, the readers that may see half a change, and the orders that differ."""
    missed = sum(not _excluded(locks, program, place) for program in users)
    readers = sum(
        program.read is not None and not excludes(locks, effective(program.read, program, place)) for program in users
    )
    others = sum(tuple(method for method in locks if method in program.write) != program.write for program in users)
    return missed, readers, others


def _taste(name: str, presets: Mapping[str, Sequence[str]], users: Sequence[Program]) -> tuple[bool, bool]:
    """Of equal presets: rather the default's order, and the name of a program that does so."""
    locks = tuple(presets[name])
    named = any(program.key.startswith(name) and program.write == locks for program in users)
    return locks != tuple(presets[_FIRST]), not named


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
