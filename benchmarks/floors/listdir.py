"""listdir.py MAILDIR: list names and split flags off, as cheaply as Python can; prints count and seconds."""

import os
import sys
import time


def main() -> None:
    """List ``new`` and ``cur``."""
    start = time.perf_counter()
    listing = [name.split(":2,") for sub in ("new", "cur") for name in os.listdir(f"{sys.argv[1]}/{sub}")]
    print(len(listing), time.perf_counter() - start)


main()
