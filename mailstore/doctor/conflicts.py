"""Which programs do not get along on one mbox.

The problem. Two programs keep each other out only by a lock that both take. And two that take the same locks in
opposite order, each keeping what it has while it waits for the other's, wait for each other. The solution is to find
such pairs, with the locks that each really takes *here*: where it may make no dotlock, it has none, or fails; over NFS
flock is an fcntl lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from mailstore.doctor.place import is_nfs
from mailstore.doctor.report import DOTLOCK, FCNTL, FLOCK, Conflict, Place, Program

_KINDS = ("no-common-lock", "no-dotlock", "unlocked-read", "opposite-order")


def find_conflicts(programs: Sequence[Program], place: Place) -> list[Conflict]:
    """Return the conflicts between programs that use mboxes, worst first."""
    users = [program for program in programs if program.uses_mbox and program.role != "helper"]
    found = [conflict for program in users for conflict in _without_dotlock(program, place)]
    for one, other in combinations(users, 2):
        found += _pair(one, other, place)
    return sorted(found, key=lambda conflict: _KINDS.index(conflict.kind))


def makes_dotlock(program: Program, place: Place) -> bool:
    """Tell whether a program may make a dotlock in the directory."""
    if place.dotlock == "owner" or program.makes == "root":
        return True
    return place.dotlock == "group" and program.makes == f"group:{place.group}"


def effective(methods: Sequence[str], program: Program, place: Place) -> tuple[str, ...]:
    """Return the locks that a program really has here, of those that it is set to take."""
    held = [
        FCNTL if method == FLOCK and is_nfs(place) else method
        for method in methods
        if method != DOTLOCK or makes_dotlock(program, place)
    ]
    return tuple(dict.fromkeys(held))


def excludes(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two lists of locks have one in common."""
    return bool(set(one) & set(other))


def _without_dotlock(program: Program, place: Place) -> Iterator[Conflict]:
    if DOTLOCK not in program.write or makes_dotlock(program, place):
        return
    held = effective(program.write, program, place)
    if program.without == "fails":
        then = "and changes no mailbox without it"
    elif held:
        then = f"and goes on with {' and '.join(held)} alone"
    else:
        then = "and goes on without any lock"
    yield Conflict("no-dotlock", (program.name,), f"{program.name} may make no dotlock in {place.directory}, {then}")


def _pair(one: Program, other: Program, place: Place) -> Iterator[Conflict]:
    names = (one.name, other.name)
    ours, theirs = (effective(program.write, program, place) for program in (one, other))
    stops = any(
        program.without == "fails" and DOTLOCK in program.write and not makes_dotlock(program, place)
        for program in (one, other)
    )
    if stops:
        return  # it changes nothing here, as ``_without_dotlock`` says
    if not excludes(ours, theirs):
        yield Conflict(
            "no-common-lock",
            names,
            f"{one.name} takes {_list(ours)}, {other.name} {_list(theirs)}: they do not exclude each other, "
            "and mail can be lost",
        )
        return
    for writer, reader, held in ((one, other, ours), (other, one, theirs)):
        if reader.read is not None and not excludes(held, effective(reader.read, reader, place)):
            yield Conflict(
                "unlocked-read",
                (writer.name, reader.name),
                f"{reader.name} reads under {_list(reader.read)}, {writer.name} writes under {_list(held)}: "
                f"{reader.name} may see half a change",
            )
    crossed = _crossed(ours, theirs)
    if crossed is not None and one.keeps and other.keeps:
        first, second = crossed
        yield Conflict(
            "opposite-order",
            names,
            f"{one.name} takes {first}, then {second}; {other.name} {second}, then {first}: each may wait for the "
            f"other; {_who_yields(one, other)}",
        )


def _crossed(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, str] | None:
    """Return two locks that are taken in opposite order, as the first program takes them."""
    for first, second in combinations(ours, 2):
        if first in theirs and second in theirs and theirs.index(second) < theirs.index(first):
            return first, second
    return None


def _who_yields(one: Program, other: Program) -> str:
    limits = [(program.gives_up, program.name) for program in (one, other)]
    ends = sorted((limit, name) for limit, name in limits if limit is not None)
    if not ends:
        return "neither ever gives up"
    limit, name = ends[0]
    never = "".join(f", {name} never" for limit, name in limits if limit is None)
    return f"{name} gives up after {limit:.0f} s{never}"


def _list(methods: Sequence[str]) -> str:
    return " and ".join(methods) if methods else "no lock"
