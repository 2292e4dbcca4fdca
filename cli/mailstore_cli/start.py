"""Where ``mstore`` starts: a delivery goes a way of its own, which loads next to nothing; all else goes to ``main``.

An MDA's exit code decides whether mail is delivered, waits or bounces, so nothing that happens to a delivery leaves the
process by another way than its own table of codes.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> NoReturn:
    """Run the command line: what the script ``mstore`` calls."""
    if sys.argv[1:2] == ["deliver"]:
        from mailstore_cli.mda import run as deliver

        # nothing is left to be flushed or closed, and taking the interpreter down costs a quarter of a delivery
        os._exit(deliver(sys.argv[2:]))
    from mailstore_cli.main import run as main

    main()
