"""count.py LOCATION: how many messages INBOX holds; prints count and seconds."""

import sys
import time

from mailstore import open_store


def main() -> None:
    """Count."""
    start = time.perf_counter()
    with open_store(sys.argv[1], readonly=True) as store:
        count = len(store.inbox)
    print(count, time.perf_counter() - start)


main()
