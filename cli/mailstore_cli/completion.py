"""``mstore completion``: the script that teaches a shell to complete mstore."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mailstore_cli.options import CONTEXT, examples
from mailstore_cli.render import out

_ONE_WORD = """\
# maildir:/path is one word to mstore; bash would complete only what comes after the colon.
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
"""


@click.command(
    short_help="Print the completion script of a shell.",
    context_settings=CONTEXT,
    epilog=examples(
        "mstore completion bash > ~/.local/share/bash-completion/completions/mstore",
        "mstore completion zsh > ~/.zfunc/_mstore      (with ~/.zfunc in fpath)",
        "mstore completion fish > ~/.config/fish/completions/mstore.fish",
        'eval "$(mstore completion bash)"              (for this shell only)',
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: commands, options, formats, files, and folders of the store named."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = ctx.find_root()
    out(kind(root.command, {}, "mstore", "_MSTORE_COMPLETE").source())
    if shell == "bash":
        out(_ONE_WORD)
