"""Where things of ours lie that belong to no store."""

from __future__ import annotations

import os


def state_directory() -> str | None:
    """Return the user's directory for state (XDG Base Directory Specification), or None where there is no home.

    ``$XDG_STATE_HOME/mailstore``, else ``~/.local/state/mailstore``; it need not exist. A relative XDG_STATE_HOME is
    ignored, as the specification says.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "mailstore") if os.path.isabs(base) else None
