"""``mstore``: the command group, and the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from mailstore_cli.options import CONTEXT, examples

COMMANDS = {
    "convert": "mailstore_cli.convert:convert",
    "mb2md": "mailstore_cli.mb2md:mb2md",
    "sync": "mailstore_cli.sync:sync",
    "takeover": "mailstore_cli.takeover:takeover",
    "verify": "mailstore_cli.verify:verify",
    "detect": "mailstore_cli.detect:detect",
    "info": "mailstore_cli.info:info",
    "ls": "mailstore_cli.ls:ls",
    "cat": "mailstore_cli.cat:cat",
    "add": "mailstore_cli.add:add",
    "deliver": "mailstore_cli.deliver:deliver",
    "copy": "mailstore_cli.copy:copy",
    "move": "mailstore_cli.copy:move",
    "flag": "mailstore_cli.flag:flag",
    "expunge": "mailstore_cli.expunge:expunge",
    "folder": "mailstore_cli.folder:folder",
    "quota": "mailstore_cli.quota:quota",
    "lmtp": "mailstore_cli.lmtp:lmtp",
    "watch": "mailstore_cli.watch:watch",
    "biff": "mailstore_cli.biff:biff",
    "doctor": "mailstore_cli.doctor:doctor",
    "completion": "mailstore_cli.completion:completion",
}
"""Every command and where it lives; only the module of the one asked for is imported."""


class Mstore(click.Group):
    """The group of all commands: loads them when asked, and reports errors in the way of this program."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 -- there is no other mode
        windows_expand_args: bool = True,  # noqa: ARG002
        **extra: Any,
    ) -> NoReturn:
        """Run one command and leave the process with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        name = prog_name or "mstore"
        self._main_shell_completion(extra, name, complete_var)

        def work() -> int:
            with self.make_context(name, words, **extra) as ctx:
                result = self.invoke(ctx)
            return result if isinstance(result, int) else 0

        sys.exit(guarded(work, as_json="--json" in words))


def guarded(work: Callable[[], int], *, as_json: bool) -> int:
    """Do ``work`` and return its exit code; whatever it raises becomes one line on stderr and an exit code.

    With ``as_json`` the error is an object on stdout as well, so that a pipe carries it to its end.
    """
    try:
        code = _reported(work, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        from mailstore_cli.exitcodes import BROKEN_PIPE

        _abandon_stdout()
        return BROKEN_PIPE
    except OSError as error:  # standard output's disk is full: found when the buffer is written out
        _abandon_stdout()
        return _failed(error, as_json=False)
    return code


def _abandon_stdout() -> None:
    """Let what is still in the buffer go nowhere; the interpreter would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reported(work: Callable[[], int], as_json: bool) -> int:
    try:
        return work()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _usage(error, as_json)
    except (KeyboardInterrupt, click.Abort):
        from mailstore_cli.exitcodes import INTERRUPTED
        from mailstore_cli.render import say

        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 -- the last line of defence of a program that others script
        return _failed(error, as_json)


def _usage(error: click.ClickException, as_json: bool) -> int:
    """Report a command line that click refuses."""
    from mailstore_cli.exitcodes import USAGE

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    text = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.removesuffix('.')} (see '{error.ctx.command_path} --help')"
    return _report("UsageError", text, USAGE, False, as_json)


def _failed(error: Exception, as_json: bool) -> int:
    """Report what the library, the operating system or a defect of ours raised."""
    from mailstore import MailstoreError
    from mailstore_cli import exitcodes

    kind = type(error).__name__
    if isinstance(error, MailstoreError | OSError):
        code = exitcodes.of_error(error)
        text = str(error)
        if isinstance(error, OSError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        code = exitcodes.SOFTWARE
        text = f"this is a defect of mstore: {kind}: {error} (MSTORE_DEBUG=1 shows where)"
    if os.environ.get("MSTORE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    return _report(kind, text, code, code == exitcodes.TEMPORARY, as_json)


def _report(kind: str, text: str, code: int, temporary: bool, as_json: bool) -> int:
    from mailstore_cli.render import out_json, say

    if as_json:
        out_json({"error": {"kind": kind, "message": text, "temporary": temporary, "exit_code": code}})
    say(text)
    return code


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 -- click's signature
    if value and not ctx.resilient_parsing:
        from mailstore import __version__

        click.echo(f"mstore {__version__}")
        ctx.exit()


@click.group(
    cls=Mstore,
    short_help="Read, convert and compare mail stores.",
    context_settings=CONTEXT,
    epilog=examples(
        "mstore convert /var/mail/joe maildir:~/Maildir",
        "mstore convert --dry-run mbox:~/mail sqlite:joe.db",
        "mstore verify mbox:~/mail sqlite:joe.db",
        "mstore ls ~/Maildir",
        "mstore ls ~/Maildir | grep Invoice | mstore copy ~/Maildir archive.db -",
        notes=(
            (
                "A LOCATION is format:path?option=value (maildir:~/Maildir, mbox:/var/mail/joe, sqlite:mail.db) "
                "or a path: an existing store says itself what it is; a new one is a Maildir with a slash at the "
                "end, SQLite with .db or .sqlite, an mbox otherwise."
            ),
            (
                "Exit codes: 0 all done; 1 something lost, failed or different; 64 usage; 65 not a mail store; 66 "
                "no such store, folder, message or file; 69 the format cannot; 70 defect; 73 cannot create; 75 "
                "try again later; 130 interrupted; 141 no reader."
            ),
        ),
    ),
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def mstore() -> None:
    """Read, convert and compare mail stores: mbox, Maildir, Maildir++, SQLite.

    Data goes to standard output, messages and progress to standard error. Nothing is ever lost in silence:
    the exit code is 0 only where all that was asked for was done.
    """


def run() -> NoReturn:
    """Run the command line: the console script ``mstore``."""
    _open_standard_files()
    mstore.main(prog_name="mstore")


def _open_standard_files() -> None:
    """Make sure that descriptors 0, 1 and 2 are taken, or a store's file could become one and be written into."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
