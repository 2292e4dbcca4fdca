"""``mstore quota``: the group, which loads only the command asked for."""

from __future__ import annotations

from importlib import import_module

import click

from mailstore_cli import options

COMMANDS = {
    "show": "mailstore_cli.quota.show:show",
    "set": "mailstore_cli.quota.rules:set_rules",
    "unset": "mailstore_cli.quota.rules:unset",
    "check": "mailstore_cli.quota.upkeep:check",
    "recalc": "mailstore_cli.quota.upkeep:recalc",
    "explain": "mailstore_cli.quota.upkeep:explain",
    "history": "mailstore_cli.quota.history:history",
    "report": "mailstore_cli.quota.report:report",
    "policyd": "mailstore_cli.policyd:policyd",
}
"""Every command and where it lives."""


class QuotaGroup(click.Group):
    """Loads commands when asked."""

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


@click.group(
    cls=QuotaGroup,
    short_help="Say who uses what, and how much they may.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota show ~/Maildir",
        "mstore quota show 'maildir:/home/*/Maildir' --over 90%",
        "mstore quota set ~/Maildir --storage 2G --messages 100000 --warn 90",
        "mstore quota report --html quota.html 'maildir:/srv/mail/%d/%n'",
    ),
)
def quota() -> None:
    """Show, set and check what accounts may hold and what they hold."""
