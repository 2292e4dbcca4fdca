"""A machine that says what it is told to say, and the values that the tests of conflicts start from."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailstore.doctor.machine import Answer
from mailstore.doctor.report import Place, Program

PLACE = Place("/m/box", True, "ext4", "/dev/vda", "joe", "/m", "drwxr-xr-x", "joe", "joe", "owner")
SPOOL = Place("/var/mail/joe", True, "ext4", "/dev/vda", "joe", "/var/mail", "drwxrwsr-x", "root", "mail", "group")
CLOSED = Place("/closed/box", True, "ext4", "/dev/vda", "joe", "/closed", "drwxr-xr-x", "root", "root", "root")


@dataclass
class Played:
    """Installed programs, what they answer to which arguments, their groups, and configuration files."""

    programs: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, ...], str | Answer] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def find(self, *names: str) -> str | None:
        return next((self.programs[name] for name in names if name in self.programs), None)

    def ask(self, path: str, *arguments: str) -> Answer | None:
        said = self.answers.get((path, *arguments))
        return Answer(said, "", 0) if isinstance(said, str) else said

    def group(self, path: str) -> str | None:
        return self.groups.get(path)

    def read(self, path: str) -> str | None:
        return self.files.get(path)


def program(name: str, write: tuple[str, ...], read: tuple[str, ...] | None = None, **more: object) -> Program:
    """Return a program as the conflicts know it."""
    known: dict[str, object] = {"role": "delivers", "gives_up": 10.0, **more}
    return Program(
        key=name.lower(), name=name, path="/p", version="", write=write, read=read, basis="default", source="", **known
    )  # type: ignore[arg-type]
