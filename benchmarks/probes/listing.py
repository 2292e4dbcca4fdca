"""listing.py LOCATION INDEX: list every message with UID, flags, keywords; prints count and seconds."""

import sys
import time

from mailstore import open_store


def main() -> None:
    """List INBOX."""
    location, index = sys.argv[1:]
    start = time.perf_counter()
    with open_store(location, readonly=index == "memory", index=index) as store:
        listing = list(store.inbox.rows(0))
        seconds = time.perf_counter() - start
    print(len(listing), seconds)


main()
