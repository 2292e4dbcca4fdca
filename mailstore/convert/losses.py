"""Declared losses: what a source has, by its data, that a destination cannot hold, by its capabilities.

Only the data decides: a destination that keeps 26 keywords loses nothing of a source that has 3. Where the
capabilities leave nothing to lose, not a message is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mailstore.convert.mapping import Route
from mailstore.convert.popids import RECORDED, PopIds
from mailstore.convert.report import Loss
from mailstore.errors import LossRefused, MailstoreError, UsageError
from mailstore.model.caps import Capabilities
from mailstore.model.changes import FolderInfo
from mailstore.model.flags import SYSTEM_FLAGS
from mailstore.model.info import BODY, INTERNAL_DATE, SENDER, SIZE, UIDL, Body, Meta, Row, body_chunks
from mailstore.model.names import FolderPath
from mailstore.model.specialuse import guess_special_use
from mailstore.search import Search
from mailstore.store import Store

LOSSES: dict[str, str] = {
    "canonical": "the bytes of some messages: the format alters them",
    "date-range": "internal dates that the format cannot express: the nearest is taken",
    "flags": "flags that the format does not know",
    "folders": "all folders but INBOX: the format holds no others",
    "keywords": "keywords beyond the number that a folder can hold: those seen first are kept",
    "mail-and-children": "folders below a folder that holds messages itself",
    "message-size": "messages larger than the format allows: they are set aside",
    "sender": "envelope senders",
    "special-use": "special uses (RFC 6154) that the folder's name does not tell",
    "subscriptions": "subscriptions",
    "uidl": "POP3 unique ids",
    "uids": "UIDs and UIDVALIDITY: new ones are given",
}
"""Every loss that a conversion can declare, and what allowing it gives up."""

_EXAMPLES = 3


@dataclass(slots=True)
class _Tally:
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


class LossScan:
    """Looks at a source's folders and messages for what ``capabilities`` cannot hold."""

    def __init__(
        self, capabilities: Capabilities, canonical: Callable[[bytes], bytes], pop_ids: PopIds = RECORDED
    ) -> None:
        self._capabilities = capabilities
        self._canonical = canonical
        self.pop_ids = pop_ids
        self._tallies: dict[str, _Tally] = {}
        self.want = _fields_at_risk(capabilities)
        """Fields of the messages that must be looked at; -1 where no message need be."""

    def add_folders(self, infos: Sequence[FolderInfo]) -> None:
        """Look at the folders themselves, by the names that the destination gives them."""
        capabilities = self._capabilities
        guessed = {info.path: info.special_use for info in guess_special_use([_bare(info) for info in infos])}
        parents = {info.path.parent for info in infos}
        for info in infos:
            if not capabilities.folders and info.selectable and not info.path.is_inbox:
                self._add("folders", str(info.path))
            elif not capabilities.special_use and info.special_use not in (None, guessed[info.path]):
                self._add("special-use", f"{info.path} ({info.special_use})")
            if not capabilities.subscriptions and info.subscribed:
                self._add("subscriptions", str(info.path))
            if not capabilities.mail_and_children and info.selectable and info.path in parents:
                self._add("mail-and-children", str(info.path))

    def add_message(self, path: FolderPath, position: int, row: Row, keywords: dict[str, str]) -> None:
        """Look at a message; ``keywords`` collects those of its folder by their lower-case form."""
        capabilities = self._capabilities
        place = f"{path} message {position}"
        if row.flags & SYSTEM_FLAGS & ~capabilities.flags:
            self._add("flags", place)
        if capabilities.keywords is not None:
            for keyword in row.keywords:
                if keyword.lower() not in keywords:
                    keywords[keyword.lower()] = keyword
                    if len(keywords) > capabilities.keywords:
                        self._add("keywords", f"{path} {keyword}")
        first, last = capabilities.internal_date
        if row.internal_date is not None and not first <= row.internal_date <= last:
            self._add("date-range", place)
        if not capabilities.sender and row.sender is not None:
            self._add("sender", place)
        if not capabilities.keeps_uidl(row.uidl):
            self._add("uidl", place)
        if not capabilities.uids and row.recorded:
            self._add("uids", place)
        self._look_at_body(row, place)

    def _look_at_body(self, row: Row, place: str) -> None:
        limit = self._capabilities.max_message
        if limit is not None and row.size is not None and row.size > limit:
            self._add("message-size", place)
        elif not self._capabilities.exact and row.body is not None:
            body = whole(row.body)
            if self._canonical(body) != body:
                self._add("canonical", place)

    def losses(self) -> list[Loss]:
        """Return what was found, by name."""
        return [
            Loss(name, _explain(name, tally.count), tally.count, tuple(tally.examples))
            for name, tally in sorted(self._tallies.items())
        ]

    def _add(self, name: str, example: str) -> None:
        self._tallies.setdefault(name, _Tally()).add(example)


def find_losses(
    source: Store, routes: Sequence[Route], destination: Store, pop_ids: PopIds, search: Search | None = None
) -> list[Loss]:
    """Return what converting these folders would lose; reads messages only where some could lose something.

    ``search``: the messages that are wanted; None is all.
    """
    scan = LossScan(destination.capabilities, destination.canonical, pop_ids)
    scan.add_folders([one.target for one in routes])
    if scan.want >= 0:
        going = carried([one.target for one in routes], destination.capabilities)
        for one in routes:
            if one.source.selectable and one.target.path in going:
                _scan_folder(scan, source, one.source.path, known_keywords(destination, one.target.path), search)
    return scan.losses()


def _scan_folder(
    scan: LossScan, source: Store, path: FolderPath, keywords: dict[str, str], search: Search | None
) -> None:
    want = scan.want | scan.pop_ids.want | (0 if search is None else search.want)
    try:
        stamp = scan.pop_ids.stamper(path, source.driver.folder(path))
        for position, row in enumerate(source.folder(path).rows(want), 1):
            if row.error is None and (search is None or search.matches(row)):
                scan.add_message(path, position, row if stamp is None else stamp(row), keywords)
    except MailstoreError:
        return  # the conversion itself reports a folder that cannot be read


def known_keywords(store: Store, path: FolderPath) -> dict[str, str]:
    """Return the keywords that a folder has already, by their lower-case form; none where it is not there."""
    if store.capabilities.keywords is None:
        return {}
    try:
        return {keyword.lower(): keyword for row in store.folder(path).rows(0) for keyword in row.keywords}
    except MailstoreError:
        return {}


def carried(infos: Sequence[FolderInfo], capabilities: Capabilities) -> set[FolderPath]:
    """Return the names of those folders, as the destination calls them, that it can have."""
    paths = {info.path for info in infos}
    if not capabilities.folders:
        return {path for path in paths if path.is_inbox}
    if not capabilities.mail_and_children:
        full = [info.path for info in infos if info.selectable and not info.path.is_inbox]
        return {path for path in paths if not any(path.is_below(other) for other in full)}
    return paths


def refuse(losses: Sequence[Loss], allowed: frozenset[str]) -> None:
    """Raise where a loss is not allowed.

    Raises:
        LossRefused: there is one.
        UsageError: ``allowed`` has a name that no loss has.
    """
    unknown = allowed - LOSSES.keys()
    if unknown:
        raise UsageError(f"no loss is called {min(unknown)!r}; there are: {', '.join(LOSSES)}")
    refused = [loss for loss in losses if loss.name not in allowed]
    if refused:
        raise LossRefused(
            "the destination cannot hold everything: "
            + "; ".join(f"{loss.name} ({loss.explanation})" for loss in refused)
            + f"; to give that up, allow {', '.join(loss.name for loss in refused)}",
            losses=tuple(loss.name for loss in refused),
        )


def fitting(capabilities: Capabilities, keywords: dict[str, str]) -> Callable[[Meta], Meta] | None:
    """Return what makes a Meta fit for the destination, or None where every Meta is.

    ``keywords``: those that the folder has, which those kept are added to.
    """
    if _fields_at_risk(replace(capabilities, exact=True, max_message=None, uids=True)) < 0:
        return None if capabilities.saved_date else _without_saved_date
    first, last = capabilities.internal_date
    limit = capabilities.keywords

    def fit(meta: Meta) -> Meta:
        words = meta.keywords
        if limit is not None and words:
            for word in sorted(words):
                if len(keywords) < limit:
                    keywords.setdefault(word.lower(), word)
            words = frozenset(word for word in words if word.lower() in keywords)
        date = meta.internal_date
        return Meta(
            meta.flags & ~(SYSTEM_FLAGS & ~capabilities.flags),
            words,
            None if date is None else min(max(date, first), last),
            meta.saved_date if capabilities.saved_date else None,
            meta.sender if capabilities.sender else None,
            meta.uidl if capabilities.keeps_uidl(meta.uidl) else None,
        )

    return fit


def _without_saved_date(meta: Meta) -> Meta:
    return meta if meta.saved_date is None else meta._replace(saved_date=None)


def whole(body: Body) -> bytes:
    """Return a body in one piece."""
    return body if isinstance(body, bytes) else b"".join(body_chunks(body))


def _fields_at_risk(capabilities: Capabilities) -> int:
    first, last = capabilities.internal_date
    # Nothing that a file system or a mail program writes lies outside of a signed 64-bit number of nanoseconds.
    dates_at_risk = first > -(1 << 33) or last < 1 << 33
    risks = (
        (dates_at_risk, INTERNAL_DATE),
        (not capabilities.sender, SENDER),
        (not capabilities.uidl or bool(capabilities.uidl_form), UIDL),
        (capabilities.max_message is not None, SIZE),
        (not capabilities.exact, BODY),
        (capabilities.flags & SYSTEM_FLAGS != SYSTEM_FLAGS or not capabilities.uids, 0),
        (capabilities.keywords is not None, 0),
    )
    wants = [want for risk, want in risks if risk]
    return sum(wants) if wants else -1


def _bare(info: FolderInfo) -> FolderInfo:
    return replace(info, special_use=None)


_SENTENCES = {
    "canonical": "{0} message(s) would come back with other bytes",
    "date-range": "{0} message(s) have an internal date that the format cannot express",
    "flags": "{0} message(s) have flags that the format does not know",
    "folders": "{0} folder(s) besides INBOX, and the format holds INBOX alone",
    "keywords": "{0} keyword(s) are more than a folder can hold",
    "mail-and-children": "{0} folder(s) hold both messages and folders, and the format allows only one of them",
    "message-size": "{0} message(s) are larger than the format allows",
    "sender": "{0} message(s) have an envelope sender, and the format keeps none",
    "special-use": "{0} folder(s) have a special use that their name does not tell, and the format keeps none",
    "subscriptions": "{0} subscription(s), and the format keeps none",
    "uidl": "{0} message(s) have a POP3 unique id that the format does not keep",
    "uids": "{0} message(s) have recorded UIDs, and the format keeps none",
}


def _explain(name: str, count: int) -> str:
    return _SENTENCES[name].format(count)
