"""``docs/capabilities.md``, written from what the drivers say of themselves.

python -m mailstore.testing.capabilities > docs/capabilities.md
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import fields

from mailstore import Capabilities, open_store
from mailstore.system import fs

STORES = (
    ("memory", "memory:"),
    ("mbox file", "mbox:{root}/file.mbox"),
    ("mbox tree", "mbox:{root}/tree?layout=sbd"),
    ("Maildir++", "maildir:{root}/plusplus?layout=++"),
    ("Maildir", "maildir:{root}/fs?layout=fs"),
    ("SQLite", "sqlite:{root}/mail.db"),
)
"""Title and location of the stores in the table."""

READ_ONLY = (
    ("MH", "mh:{root}/mh", ""),
    (".eml files", "eml:{root}/eml", ""),
    ("Apple Mail", "apple:{root}/apple", ""),
    ("Thunderbird", "thunderbird:{root}/thunderbird", "Inbox"),
    ("Takeout", "takeout:{root}/takeout", "All.mbox"),
)
"""The same of those that are only read: each in a directory that is there, with a file of mail where it needs one."""

_MAIL = b"From 1500000000000000000@xxx Tue Nov 14 22:13:20 +0000 2023\nX-Gmail-Labels: Inbox\nSubject: x\n\nbody\n\n"

HEAD = """\
# What each store keeps

Made by `python -m mailstore.testing.capabilities` from the `Capabilities` of each store as opened for writing (what is
not `writable` is only read); a test keeps it up to date. Where a field is `-` or limited, `mstore convert` names the
loss before it starts, if the mail at hand has what would be lost. Formats of others say the same of themselves: see
`docs/contract.md`.

"""

_FIELD = re.compile(r"^ {4}(?:    )?(\w+): (.*?)(?=^ {4}(?:    )?\w+: |\Z)", re.MULTILINE | re.DOTALL)


def descriptions() -> dict[str, str]:
    """Return what the docstring of Capabilities says of each field."""
    text = inspect.cleandoc(Capabilities.__doc__ or "")
    attributes = text[text.index("Attributes:") + len("Attributes:") :]
    return {name: " ".join(words.split()) for name, words in _FIELD.findall(attributes)}


def shown(name: str, value: object) -> str:
    """Return a capability as a cell of the table."""
    if name == "flags":
        from mailstore.model.flags import flag_names

        assert isinstance(value, int)
        return " ".join(flag.removeprefix("\\") for flag in flag_names(value))
    if isinstance(value, bool):
        return "✓" if value else "-"
    if isinstance(value, tuple):
        return " to ".join("any" if abs(bound) >= 1 << 60 else str(bound) for bound in value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "-"
    return "any" if value is None else str(value)


def page(stores: Iterable[tuple[str, Capabilities]]) -> str:
    """Return the page for these stores."""
    stores = list(stores)
    meanings = descriptions()
    rows = [["", *(title for title, _ in stores)], ["---"] * (len(stores) + 1)]
    rows += [
        [f"`{field.name}`", *(shown(field.name, getattr(found, field.name)) for _, found in stores)]
        for field in fields(Capabilities)
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    meaning = "".join(f"- `{field.name}`: {meanings[field.name]}\n" for field in fields(Capabilities))
    return f"{HEAD}{table}\n## What the fields mean\n\n{meaning}"


def ours() -> list[tuple[str, Capabilities]]:
    """Open one store of each kind and return what it says of itself."""
    found = []
    with tempfile.TemporaryDirectory(prefix="mailstore-capabilities-") as root:
        for title, location in STORES:
            with open_store(location.format(root=root), create=True) as store:
                found.append((title, store.capabilities))
        for title, location, name in READ_ONLY:
            path = location.format(root=root).partition(":")[2]
            fs.mkdir(path)
            if name:
                fs.create_file(f"{path}/{name}", _MAIL, 0)
            with open_store(location.format(root=root)) as store:
                found.append((title, store.capabilities))
    return found


if __name__ == "__main__":
    sys.stdout.write(page(ours()))
