"""Desktop notifications of new mail: one for each batch of events, through notify-send."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from html import escape

from mailstore.watch import Event, MessageAppended
from mailstore_cli.names import folder_text
from mailstore_cli.render import plural, say

_TIMEOUT = 10
_FOLDERS = 10


class Bell:
    """Shows notifications, or says once why it cannot."""

    def __init__(self) -> None:
        self._program = shutil.which("notify-send")
        if self._program is None:
            say("--notify: there is no notify-send here, so no notifications are shown")

    def ring(self, location: str, events: Sequence[Event]) -> None:
        """Show how much came into which folders; what is not new mail is left out."""
        came = Counter(event.folder for event in events if isinstance(event, MessageAppended))
        if self._program is None or not came:
            return
        lines = [f"{folder_text(folder)}: {count}" for folder, count in came.most_common(_FOLDERS)]
        lines += ["…"] * (len(came) > _FOLDERS)
        body = escape("\n".join([location, *lines]))  # many desktops take the text for markup
        title = plural(came.total(), "new message")
        try:
            subprocess.run(  # noqa: S603 -- no shell, and the text comes after the options
                [self._program, "--app-name=mstore", "--", title, body],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=_TIMEOUT,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            say(f"--notify: no notifications are shown: {error}")
            self._program = None
