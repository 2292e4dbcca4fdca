"""``mstore takeover``: another server goes on with a store where it lies."""

from __future__ import annotations

import click

from mailstore import open_store
from mailstore_cli import options
from mailstore_cli.names import folder_text, safe
from mailstore_cli.render import out, out_json, plural


@click.command(
    short_help="Let another server go on with a Maildir in place.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore takeover ~/Maildir",
        "mstore takeover 'maildir:~/Maildir?index=courier'",
        notes=(
            (
                "Stop the server before, and point the next one at the Maildir after. The other server's files stay as "
                "they are."
            ),
        ),
    ),
)
@options.location
@options.json_flag("One JSON object.")
@options.lock_timeout
def takeover(location: str, as_json: bool, lock_timeout: float) -> int:
    """Write what Courier or mbsync noted in LOCATION in Dovecot's files; with ?index=courier Dovecot's in Courier's.

    UIDVALIDITY, UIDs, keywords, POP3 unique ids and subscriptions stay the same for clients. No message is touched
    but by a rename, where its keywords are spelled in its name.
    """
    with open_store(location, lock_timeout=lock_timeout) as store:
        done = store.take_over()
        if as_json:
            folders = [{"folder": str(path), "messages": count} for path, count in done]
            out_json({"location": str(store.location), "folders": folders})
        else:
            for path, count in done:
                out(f"{folder_text(path)}: {plural(count, 'message')}")
            out(f"{safe(str(store.location))} is taken over")
    return 0
