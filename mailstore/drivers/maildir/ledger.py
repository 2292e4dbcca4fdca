"""The sums of an account: what counts towards its quota, kept in ``maildirsize`` by whoever changes the Maildir.

The problem. Courier, Exim, Dovecot and we share one file and no lock. Whoever adds or removes a message must add a
line; a crash between the two, or a program that knows nothing of quotas, makes the sums drift; and while one program
makes them anew by looking at every message, others go on delivering. None of this may ever cost mail: a sum is
bookkeeping.

The solution (maildirquota(7), and the three programs' sources). What a commit has changed is gathered and entered as
one line, after it is on the disk. Sums are made anew where they cannot be believed: the directories' mtimes are taken
before and after, the file replaced in between, and where somebody changed a directory meanwhile all is done again, up
to five times; then it is accepted. The limits in the first line are those of the moment of the replacement. What fails
here is told to the log ``mailstore.quota`` and to nobody else. docs/formats/maildirsize.md has the whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from mailstore.drivers.maildir.counting import Counted, count_folder, count_names, file_size
from mailstore.drivers.maildir.layout import Layout, Spelling
from mailstore.drivers.maildir.quotafiles import KeptRules
from mailstore.drivers.maildir.sumsfile import SumsFile, told
from mailstore.errors import CorruptStore, MailstoreError, UsageError
from mailstore.formats import maildirname
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import FolderCount, FolderRule, QuotaRules
from mailstore.system import fs
from mailstore.system.maildirsize import account_of

_TRIES = 5
NOTHING = Usage(0, 0)


class Ledger:
    """The sums of one open store.

    Args:
        layout: of the store.
        mode: gives the permissions of new files.
        style: of counting, as the location asks for it; '' is what is kept, or Courier's.
        readonly: nothing is written.
        given: the opener's rules, by which the tally counts.

    Attributes:
        tally: what this store's own changes have added since it was opened.
    """

    def __init__(
        self,
        layout: Layout,
        mode: Callable[[], int],
        style: str = "",
        readonly: bool = False,
        given: QuotaRules | None = None,
    ) -> None:
        self._layout = layout
        self._mode = mode
        self._style = style
        self._readonly = readonly
        self._given = given
        self.tally = NOTHING
        self._pending: dict[tuple[FolderPath, int], list[int]] = {}

    # --- where it is

    @cached_property
    def _account(self) -> Layout:
        """The folders that count together: the store's, or those of the Maildir++ of which it is a folder."""
        root = account_of(self._layout.root)
        return self._layout if root == self._layout.root else Layout(root, Spelling("++", self._layout.spelling.names))

    @cached_property
    def _above(self) -> FolderPath | None:
        """What our INBOX is called in the account, where we are a folder of it."""
        if self._account is self._layout:
            return None
        name = os.path.basename(os.path.realpath(self._layout.root))
        return next((place.path for place in self._account.scan().values() if place.directory == name), None)

    @cached_property
    def sums(self) -> SumsFile:
        """The file of the sums."""
        return SumsFile(self._account, self._mode)

    @cached_property
    def kept(self) -> KeptRules:
        """The rules beside the sums, and the notes."""
        return KeptRules(self._account.root, self._mode, self._style)

    # --- rules

    def rules(self) -> QuotaRules | None:
        """See QuotaKeeping.quota_rules."""
        kept, found = self.kept.read(), self.sums.read()
        if found is None:
            return kept
        limits = found[0].limits
        if limits is None:
            path = self.sums.path
            raise CorruptStore(
                f"{fs.shown(path)}: the first line should say the limits, such as 1000000S,5000C", path=path
            )
        return self._seen_from_here(self.kept.with_limits(kept, limits))

    def _seen_from_here(self, rules: QuotaRules) -> QuotaRules:
        """Return the account's rules in terms of our own folders: as a folder of it we have an INBOX and no more."""
        if self._above is None:
            return rules
        rule = rules.rule(self._above)
        ours = FolderRule(INBOX, not rules.counts(self._above, 0), rule.storage, rule.messages)
        return replace(rules, folders=() if ours == FolderRule(INBOX) else (ours,))

    def _of_account(self, rules: QuotaRules) -> QuotaRules:
        """Undo that."""
        return (
            rules if self._above is None else replace(self.counting(), storage=rules.storage, messages=rules.messages)
        )

    def counting(self) -> QuotaRules:
        """Return the rules as far as they say what counts in the file: those kept, else the opener's; never fails."""
        try:
            kept = self.kept.read()
        except MailstoreError as error:
            told(str(error))
            kept = None
        return self.kept.with_limits(kept or self._given, (0, 0))

    def set_rules(self, rules: QuotaRules | None) -> None:
        """See QuotaKeeping.set_quota_rules."""
        if self._above is not None:
            above = fs.shown(self._account.root)
            raise UsageError(f"{fs.shown(self._layout.root)} is a folder of {above}: set the quota there")
        with fs.errors(self._account.root):
            more = self.kept.write(rules)
            limits = (0, 0) if rules is None else _limits_of(rules)
            if more or any(limits):
                self._recount(self.kept.with_limits(rules, limits), limits)
            else:
                self.sums.remove()

    # --- changes of single messages

    def entered(self, folder: FolderPath, flags: int, size: int) -> None:
        """Take down that a message is there now."""
        self._change(folder, flags, size, 1)

    def left(self, folder: FolderPath, flags: int, size: int) -> None:
        """Take down that a message is not there any more."""
        self._change(folder, flags, -size, -1)

    def _change(self, folder: FolderPath, flags: int, size: int, count: int) -> None:
        change = self._pending.setdefault((folder, flags & DELETED), [0, 0])
        change[0] += size
        change[1] += count

    def enter(self) -> None:
        """Enter all that was taken down, as one line; never fails."""
        pending, self._pending = self._pending, {}
        if not pending:
            return

        def counted(rules: QuotaRules) -> Usage:
            counting = [one for (folder, flags), one in pending.items() if rules.counts(self._named(folder), flags)]
            return Usage(sum(count for _, count in counting), sum(size for size, _ in counting))

        self._add(counted)

    def _named(self, folder: FolderPath) -> FolderPath:
        return folder if self._above is None else self._above

    def _add(self, counted: Callable[[QuotaRules], Usage]) -> None:
        """Add to the sums, by the rules that are kept, and to the tally, by the opener's where it brought some."""
        rules = self.counting()
        more = counted(rules)
        if any(more) and self.sums.append(more.size, more.messages):
            self.mend()
        tallied = more if self._given is None else counted(self._given)
        self.tally = Usage(self.tally.messages + tallied.messages, self.tally.size + tallied.size)

    # --- changes of whole folders

    @property
    def at_work(self) -> bool:
        """Whether anybody asks for what a folder holds: there are sums, or groups."""
        return self.sums.exists or bool((self._given or self.counting()).groups)

    def filled(self, folder: FolderPath, names: list[str]) -> None:
        """Enter the messages of a folder that was filled at once; their names say their sizes."""
        if self.at_work:
            counted = count_names("", names, self.counting().style)
            self._add_counted(self._named(folder), counted, 1)

    def removed(self, folder: FolderPath, directory: str) -> None:
        """Enter that a folder is gone, which lies in ``directory`` now, out of sight."""
        if self.at_work:
            self._add_counted(self._named(folder), _count(directory, self.counting().style), -1)

    def renamed(self, moved: Mapping[FolderPath, tuple[FolderPath, str]]) -> None:
        """Enter that folders are called otherwise: some names do not count (Trash).

        Args:
            moved: new name and present directory, by old name.
        """
        if not self.at_work:
            return
        rules = self.counting()
        for old, (new, directory) in moved.items():
            if any(_differ(one, old, new) for one in (rules, self._given or rules)):
                counted = _count(directory, rules.style)
                self._add_counted(old, counted, -1)
                self._add_counted(new, counted, 1)

    def _add_counted(self, folder: FolderPath, counted: Counted, sign: int) -> None:
        def part(rules: QuotaRules) -> Usage:
            messages, size = rules.counted(FolderCount(folder, *counted))
            return Usage(sign * messages, sign * size)

        self._add(part)

    # --- what there is

    def usage(self, rules: QuotaRules, sure: bool = False) -> Usage:
        """See QuotaKeeping.quota_usage."""
        rules, found = self._of_account(rules), self.sums.read_leniently()
        if found is None or not found[0].sound or (sure and not found[0].settled(found[1])):
            return self.recalculate(rules)
        if not _count_alike(rules, self.counting()):
            return self._total(rules)
        return Usage(found[0].count, found[0].size)

    def count(self, style: str = "") -> Iterator[FolderCount]:
        """See QuotaKeeping.count_quota; ``style`` decides about hidden files, '' is the one at hand."""
        style = style or self.counting().style
        for place in list(self._account.scan().values()):
            directory = self._account.absolute(place.directory)
            with fs.errors(directory):
                counted = count_folder(directory, style)
            yield FolderCount(place.path, *counted)

    def _total(self, rules: QuotaRules) -> Usage:
        parts = [rules.counted(count) for count in self.count(rules.style)]
        return Usage(sum(part.messages for part in parts), sum(part.size for part in parts))

    # --- all anew

    def recalculate(self, rules: QuotaRules) -> Usage:
        """See QuotaKeeping.recalculate_quota. What is found is returned, also where it cannot be written."""
        rules = self._of_account(rules)
        try:
            return self._recount(rules, None)
        except OSError as error:
            told(f"{fs.shown(self.sums.path)}: the sums were not written: {error.strerror}")
            return self._total(rules)

    def mend(self) -> None:
        """Make the sums anew, where there are any, after a change that a crash cut off; never fails."""
        try:
            if self.sums.exists:
                self.recalculate(self.counting())
        except MailstoreError as error:
            told(str(error))

    def _recount(self, rules: QuotaRules, limits: tuple[int, int] | None) -> Usage:
        """Count, write, and begin again where somebody changed a directory meanwhile; after five times it is accepted.

        Args:
            rules: say what counts.
            limits: to write; None: those that the file has, or those of ``rules`` where there is no file.
        """
        for _ in range(_TRIES):
            before = self._stamps(rules)
            total = self._total(rules)
            keep = limits or self._limits_to_keep(rules)
            if keep is None or self._readonly:
                break
            self.sums.replace(keep, total)
            if self._stamps(rules) == before:
                break
        return total

    def _stamps(self, rules: QuotaRules) -> dict[str, int]:
        """Return the mtimes (ns) of the directories whose messages count."""
        stamps = {}
        for place in self._account.scan().values():
            if rules.counts(place.path, 0):
                for part in ("new", "cur"):
                    path = f"{self._account.absolute(place.directory)}/{part}"
                    with suppress(OSError):
                        stamps[path] = os.stat(path).st_mtime_ns
        return stamps

    def _limits_to_keep(self, rules: QuotaRules) -> tuple[int, int] | None:
        """Return the limits to write; None: what stands there is somebody's to mend, or there is no quota."""
        try:
            found = self.sums.read()
        except CorruptStore:
            return None
        if found is not None:
            return found[0].limits
        return _limits_of(rules) if rules.storage or rules.messages else None


def message_size(directory: str, base: str, name: str) -> int:
    """Return the bytes of a message by which it is summed up: those of its name, else the file's; 0 when it is gone."""
    size = maildirname.size_of(base)
    return size if size is not None else file_size(f"{directory}/{name}") or 0


def _limits_of(rules: QuotaRules) -> tuple[int, int]:
    """Return the limits of bytes and messages as ``maildirsize`` has them: 0 is none."""
    return rules.storage or 0, rules.messages or 0


def _differ(rules: QuotaRules, one: FolderPath, other: FolderPath) -> bool:
    return any(rules.counts(one, flags) != rules.counts(other, flags) for flags in (0, DELETED))


def _count_alike(one: QuotaRules, other: QuotaRules) -> bool:
    """Tell whether both sets of rules count the same messages."""
    ignored = [{rule.folder for rule in rules.folders if rule.ignore} for rules in (one, other)]
    return one.style == other.style and ignored[0] == ignored[1]


def _count(directory: str, style: str) -> Counted:
    """Count a folder that was changed; one that cannot be read is told."""
    try:
        return count_folder(directory, style)
    except OSError as error:
        told(f"{fs.shown(directory)}: not counted: {error.strerror}")
        return Counted()
