"""Events as text: a line for people, an object for programs, variables for commands."""

from __future__ import annotations

import re

from mailstore import FolderPath, flag_names
from mailstore.watch import (
    Event,
    FlagsChanged,
    FolderRenamed,
    HistoryLost,
    MessageAppended,
    MessageExpunged,
    MessageMoved,
    QuotaChanged,
    QuotaCrossed,
    SubscriptionChanged,
)
from mailstore_cli.names import folder_text, item_text
from mailstore_cli.render import plural, size_text

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def kind(event: Event) -> str:
    """Return an event's name as scripts know it: ``message-appended``."""
    return _WORDS.sub("-", type(event).__name__).lower()


def words(flags: int | None, keywords: frozenset[str] | None) -> list[str] | None:
    """Return flags and keywords as IMAP writes them; None where they are not known."""
    if flags is None or keywords is None:
        return None
    return [*flag_names(flags), *sorted(keywords)]


def as_object(location: str, event: Event) -> dict[str, object]:
    """Return the JSON object of an event (docs/cli.md has the schema)."""
    value: dict[str, object] = {"event": kind(event), "location": location}
    if isinstance(event, QuotaChanged | QuotaCrossed):
        return value | {name: figure for name, figure in event._asdict().items() if name != "own"}
    value["folder"] = str(event.folder)
    match event:
        case MessageAppended() | MessageMoved():
            value |= {"uid": event.uid, "modseq": event.modseq, "flags": words(event.flags, event.keywords)}
            value |= {"key": event.key}
            if isinstance(event, MessageMoved):
                value |= {"from_folder": str(event.source), "from_uid": event.source_uid}
        case MessageExpunged():
            value |= {"uid": event.uid, "modseq": event.modseq}
        case FlagsChanged():
            value |= {"uid": event.uid, "modseq": event.modseq, "flags": words(event.flags, event.keywords)}
            value |= {"old_flags": words(event.old_flags, event.old_keywords)}
        case HistoryLost():
            value |= {"uidvalidity": event.uidvalidity}
        case FolderRenamed():
            value |= {"from_folder": str(event.old), "id": event.id}
        case SubscriptionChanged():
            value |= {"subscribed": event.subscribed}
        case _:
            value |= {"id": event.id}
    return value


def as_line(event: Event) -> str:
    """Return an event as one line: its name, what it is about, what is new."""
    match event:
        case QuotaChanged():
            about = f"{plural(event.messages, 'message')}, {size_text(event.size)}"
        case QuotaCrossed():
            way = "over" if event.over else "under"
            about = f"{way} {event.percent} % of {event.resource}: {event.usage} of {event.limit}"
        case MessageAppended():
            about = f"{item_text(event.folder, event.uid)}  {_flags(event.flags, event.keywords)}"
        case MessageMoved():
            about = f"{item_text(event.folder, event.uid)}  from {item_text(event.source, event.source_uid)}"
        case MessageExpunged():
            about = item_text(event.folder, event.uid)
        case FlagsChanged():
            about = f"{item_text(event.folder, event.uid)}  {_flags(event.flags, event.keywords)}"
            if event.old_flags is not None and event.old_keywords is not None:
                about += f"  was {_flags(event.old_flags, event.old_keywords)}"
        case FolderRenamed():
            about = f"{folder_text(event.folder)}  from {folder_text(event.old)}"
        case SubscriptionChanged():
            about = f"{folder_text(event.folder)}  {'subscribed' if event.subscribed else 'unsubscribed'}"
        case _:
            about = folder_text(event.folder)
    return f"{kind(event):<20}  {about}".rstrip()


def as_environment(location: str, event: Event) -> dict[str, str]:
    """Return the variables that a command run for an event finds; NULs, which none can hold, are left out."""
    values = as_object(location, event)
    names = {name: f"MAILSTORE_{name.upper()}" for name in values}
    return {
        names[name]: (" ".join(value) if isinstance(value, list) else str(value)).replace("\0", "")
        for name, value in values.items()
        if value is not None
    }


def _flags(flags: int, keywords: frozenset[str]) -> str:
    return f"({' '.join(words(flags, keywords) or ())})"


def lane(event: Event) -> FolderPath | None:
    """Return the folder for whose sake no two commands run at once; None for what concerns the whole account."""
    return None if isinstance(event, QuotaChanged | QuotaCrossed) else event.folder
