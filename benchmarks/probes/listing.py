"""listing.py LOCATION INDEX: list every message's UID and flags; prints count and seconds (open to last row)."""

import sys
import time

from mailstore import open_store


def main() -> None:
    """List INBOX."""
    location, index = sys.argv[1:]
    start = time.perf_counter()
    with open_store(location, readonly=index == "memory", index=index) as store:
        listing = [(row.uid, row.flags, row.keywords) for row in store.inbox.rows(0)]
        seconds = time.perf_counter() - start
    print(len(listing), seconds)


main()
