"""``mstore deliver`` as a mail delivery agent: its options, its exit codes, and what may interrupt it.

The problem. A mail system starts this once for each mail and knows nothing of it but the exit code: 0 takes the mail
off its queue, a code it does not know bounces it. So no exception, signal or lack of memory may end in anything but
"try again later", unless we know better. And half of a delivery's time is the loading of code.

The solution. This module loads nothing; it reads the ordinary command line itself and leaves any other (``--help``, a
mistake) to click, which knows the same table of options. Signals raise an exception, so that locks and temporary files
are taken back. Whatever was not named on purpose is the temporary code of the exit style.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from mailstore.delivery import Delivered

TEMPORARY = "temporary"
NO_USER = "no user"
OVER_QUOTA = "over quota"
TOO_LARGE = "too large"
STYLES = {
    "postfix": {TEMPORARY: 75, NO_USER: 67, OVER_QUOTA: 77, TOO_LARGE: 69},
    "exim": {TEMPORARY: 75, NO_USER: 67, OVER_QUOTA: 77, TOO_LARGE: 69},
    "qmail": {TEMPORARY: 111, NO_USER: 100, OVER_QUOTA: 100, TOO_LARGE: 100},
}
"""What each mail system is told: the temporary code makes it try again, the others make it bounce the mail."""
_SIGNALS = (1, 2, 3, 14, 15, 24)
"""HUP, INT, QUIT, ALRM, TERM, XCPU: what mail systems and shells send to a program that takes too long."""


class Option:
    """An option of the command: its spellings, the value it takes (None: a switch), what it is for."""

    __slots__ = ("choices", "default", "help", "metavar", "name", "spellings")

    def __init__(
        self, name: str, spellings: str, metavar: str | None, text: str, default: str = "", choices: str = ""
    ) -> None:
        self.name = name
        self.spellings = spellings.split()
        self.metavar = metavar
        self.help = text
        self.default = default
        self.choices = choices.split()


OPTIONS = (
    Option("sender", "-f --sender", "ADDRESS", "Envelope sender, '' the null sender; the From_ line's, if not given."),
    Option("recipient", "-r --recipient", "ADDRESS", "The envelope recipient, for Delivered-To."),
    Option("folder", "-m --folder", "FOLDER", "The folder; where it is not there, INBOX takes the mail.", "INBOX"),
    Option("user", "-d --for", "USER", "Whose mail it is: fills in %u, %n, %d, %h of LOCATION. Root becomes the user."),
    Option("run_as", "-u --run-as", "USER", "Become this system user first (virtual mailboxes that one user owns)."),
    Option("create", "--create", None, "Make LOCATION and the folder where they are not there."),
    Option("sub_address", "--sub-address", None, "joe+lists@example.org goes to the folder lists."),
    Option("separator", "--separator", "TEXT", "What stands between user and folder in an address.", "+"),
    Option("once", "--once", "BY", "Do not store twice what the account holds.", choices="message-id content"),
    Option("over_quota", "--over-quota", "HOW", "What a full mailbox means.", "temporary", "temporary permanent"),
    Option("quota", "--quota", "FILE", "Rules for the mailbox, instead of those kept with it."),
    Option("on_warning", "--on-warning", "COMMAND", "Run this when the mailbox crosses a threshold of its rules."),
    Option("warning_message", "--warning-message", "FILE", "Put this mail into a mailbox that fills up, once a day."),
    Option("exit_style", "--exit-style", "MAILER", "Whose exit codes to use.", "postfix", "postfix exim qmail"),
    Option("lock_timeout", "--lock-timeout", "SECONDS", "How long to wait for another program's lock.", "60"),
)  # fmt: skip
"""All options, in the order of the help."""
_BY_SPELLING = {spelling: option for option in OPTIONS for spelling in option.spellings}


class Interrupted(BaseException):
    """A signal came."""


class Ended(BaseException):
    """The process that delivered in our place has ended.

    Attributes:
        code: its exit code; where it was killed, minus the number of the signal.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"signal {-code}")
        self.code = code


def parse(words: Sequence[str]) -> dict[str, str | None] | None:
    """Read an ordinary command line; None for any other. ``location`` is the argument that is no option."""
    values: dict[str, str | None] = {option.name: option.default or None for option in OPTIONS}
    values["location"] = None
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word[:1] != "-" or word == "-":
            if values["location"] is not None or word == "-":
                return None
            values["location"] = word
            continue
        spelling, equals, value = word.partition("=") if word[:2] == "--" else (word, "", "")
        option = _BY_SPELLING.get(spelling)
        if option is None or (option.metavar is None and equals) or (option.metavar and not equals and not rest):
            return None
        if option.metavar is None:
            value = "yes"
        elif not equals:
            value = rest.pop(0)
        if option.choices and value not in option.choices:
            return None
        values[option.name] = value
    return values


def run(words: Sequence[str]) -> int:
    """Deliver the message on standard input as ``words`` say; returns the exit code, whatever happens."""
    style = STYLES["postfix"]
    try:
        _catch_signals()
        values = parse(words)
        if values is None:
            return _by_click(words)
        style = STYLES[values["exit_style"] or "postfix"]
        return carry_out(values)
    except BaseException as error:  # noqa: BLE001 - an exit code that we did not choose would bounce the mail
        return _failed(error, style, permanent_quota=False)


def _by_click(words: Sequence[str]) -> int:
    """Let click explain, or read what ``parse`` leaves to it; any code that is not ours is temporary."""
    from itertools import pairwise

    from mailstore_cli.main import mstore

    asked = "--exit-style=qmail" in words or ("--exit-style", "qmail") in pairwise(words)
    style = STYLES["qmail" if asked else "postfix"]
    try:
        mstore.main(["deliver", *words], prog_name="mstore")
    except SystemExit as end:
        known = end.code == 0 or end.code in style.values()
        return int(end.code or 0) if known else style[TEMPORARY]


def carry_out(values: dict[str, str | None]) -> int:
    """Deliver as the options say, by name; returns the exit code, and says on standard error what is wrong."""
    style = STYLES[values["exit_style"] or "postfix"]

    def coded(work: Callable[[], None]) -> int:
        try:
            work()
        except Ended as end:
            return end.code if end.code >= 0 else _failed(end, style, permanent_quota=False)
        except BaseException as error:  # noqa: BLE001 - as above
            return _failed(error, style, permanent_quota=values["over_quota"] == "permanent")
        return 0

    return coded(lambda: _deliver(values, coded))


def _seconds(text: str) -> float:
    """Read a time to wait; one that is no number, negative or endless is a mistake."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds < 1e9:
        return seconds
    from mailstore import UsageError

    raise UsageError(f"--lock-timeout {text}: a number of seconds is wanted")


def _deliver(values: dict[str, str | None], coded: Callable[[Callable[[], None]], int]) -> None:
    user, recipient, folder = values["user"], values["recipient"], values["folder"] or "INBOX"
    if values["sub_address"]:
        user, recipient, folder = _by_address(user, recipient, folder, values["separator"] or "+")
    quota = _quota(values)  # as root, where it is root: the files need not be the user's
    location = _location(values["location"], user, values["run_as"])
    from mailstore.delivery import deliver

    def tell(delivered: Delivered) -> None:
        for problem in delivered.problems:
            _say(problem)
        if delivered.folder.upper() != folder.upper():
            _say(f"there is no folder {folder}: delivered to {delivered.folder}")

    with open(0, "rb", buffering=0, closefd=False) as message:
        delivered = deliver(
            message,
            location,
            sender=values["sender"],
            recipient=values["recipient"],
            folder=folder,
            create=values["create"] is not None,
            once=values["once"],
            lock_timeout=_seconds(values["lock_timeout"] or "60"),
            **quota,
            apart=lambda work: _apart(lambda: coded(lambda: tell(work()))),
        )
    tell(delivered)


def _apart(work: Callable[[], int]) -> NoReturn:
    """Have ``work`` done in a process of its own, whose exit code it returns.

    SQLite maps a file into memory; where the disk cannot hold it any more (a btrfs out of quota), or cannot be read,
    the kernel kills the process by SIGBUS, and no mail system takes that for "try again later". What kills the other
    one, memory that ran out included, only ends a wait here. Signals that are sent to us are sent on.

    Raises:
        Ended: always; it tells how.
    """
    import _signal  # type: ignore[import-not-found]  # the module signal would load enum

    _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    other = os.fork()
    if not other:
        code = 75
        try:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)
            code = work()
        finally:
            os._exit(code)

    def send_on(number: int, _: object) -> None:
        os.kill(other, number)

    for number in _SIGNALS:
        _signal.signal(number, send_on)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _SIGNALS)
    # it is not reaped while signals may come: its number would be another's
    os.waitid(os.P_PID, other, os.WEXITED | os.WNOWAIT)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    raise Ended(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))


def _quota(values: dict[str, str | None]) -> dict[str, Any]:
    """Return what the options say of quotas; a file that cannot be read is told of, and refuses no mail."""
    if not (values["quota"] or values["on_warning"] or values["warning_message"]):
        return {}
    from mailstore import UsageError
    from mailstore_cli.quotafiles import read_rules, read_warning  # late: most deliveries have none

    said: dict[str, Any] = {}
    for name, read in (
        ("quota", lambda: read_rules(values["quota"])),
        ("warning", lambda: read_warning(values["on_warning"], values["warning_message"])),
    ):
        try:
            said[name] = read()
        except UsageError as error:
            _say(f"delivered without it: {error}")
    return said


def _by_address(
    user: str | None, recipient: str | None, folder: str, separator: str
) -> tuple[str | None, str | None, str]:
    """Take the folder out of the recipient's address, or the user's."""
    from mailstore.delivery import sub_address

    for address in (recipient, user):
        if address is not None and folder == "INBOX":
            folder = sub_address(address, separator)[1] or folder
    return (None if user is None else sub_address(user, separator)[0]), recipient, folder


def _location(template: str | None, user: str | None, run_as: str | None) -> str:
    """Return where the mail goes, having become the user whose it is.

    Raises:
        UsageError: nothing says where; or root would write into somebody's mail as root.
        NoSuchUser: there is no such user.
    """
    account = run_as or (user if user is not None and os.geteuid() == 0 else None)
    if account is not None:
        from mailstore.delivery import become

        become(account, template or "")
    if user is not None:
        from mailstore.delivery import default_location, expand

        return default_location(user) if template is None else expand(template, user)
    if template is None:
        _refuse("say where the mail goes: a LOCATION, or -d USER")
    if account is None and os.geteuid() == 0:
        _check_roots_own(template)
    return template


def _refuse(text: str) -> NoReturn:
    from mailstore import UsageError  # late: it loads typing

    raise UsageError(text)


def _check_roots_own(location: str) -> None:
    """Raise UsageError where root would write, as root, what belongs to somebody else, or in a directory that does."""
    place, below = os.path.abspath(os.path.expanduser(location.partition("?")[0].rpartition(":")[2])), ""
    while place != below:
        try:
            owner = os.stat(place).st_uid
        except OSError:  # not there yet: what is above it counts
            owner = 0
        if owner != 0:
            _refuse(f"{place} belongs to user {owner}: say -u USER, and root becomes that user first")
        place, below = os.path.dirname(place), place


def _catch_signals() -> None:
    import _signal  # as above

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(f"signal {number}")

    for number in _SIGNALS:
        _signal.signal(number, interrupt)


def _failed(error: BaseException, style: dict[str, int], *, permanent_quota: bool) -> int:
    """Say what happened and return the code for it. Must not raise itself, even without memory."""
    kind = TEMPORARY
    try:
        text = str(error) or type(error).__name__
        _say(f"interrupted by {text}" if isinstance(error, Interrupted | Ended) else text)
        kind = _kind(error, permanent_quota)
    except BaseException:  # noqa: BLE001, S110 - the code is all that counts
        pass
    return style[kind]


def _kind(error: BaseException, permanent_quota: bool) -> str:
    from mailstore import MessageTooLarge, NoSuchUser, QuotaExceeded, StorageFull

    if isinstance(error, NoSuchUser):
        return NO_USER
    if isinstance(error, MessageTooLarge):
        return TOO_LARGE
    full = isinstance(error, QuotaExceeded) or (isinstance(error, StorageFull) and error.quota)
    return OVER_QUOTA if full and permanent_quota else TEMPORARY


def _say(text: str) -> None:
    """Write one line to standard error, if there is one: mail systems put it into their log, or into the bounce."""
    line = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    try:
        os.write(2, f"mstore: {line}\n".encode("utf-8", "backslashreplace"))
    except OSError:  # nobody listens; a mail that is stored must not come again for that
        return
