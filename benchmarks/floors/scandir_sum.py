"""scandir_sum.py stat|names MAILDIR: add up the sizes of all messages, as cheaply as Python can.

Prints their count and the seconds of processor time. Sizes are those of a stat of each file, or what ``,S=`` says.
"""

import os
import sys
import time


def main() -> None:
    """Add up ``new`` and ``cur`` of the Maildir++ and of each folder in it."""
    how, root = sys.argv[1:]
    start = time.process_time()
    messages = size = 0
    with os.scandir(root) as entries:
        folders = [entry.path for entry in entries if entry.name.startswith(".") and entry.is_dir()]
    for folder in (root, *folders):
        for sub in ("new", "cur"):
            with os.scandir(f"{folder}/{sub}") as entries:
                for entry in entries:
                    messages += 1
                    if how == "stat":
                        size += entry.stat().st_size
                    else:
                        at = entry.name.find(",S=") + 3
                        size += int(entry.name[at : entry.name.find(",", at)])
    print(messages, time.process_time() - start)
    assert size > 0


main()
