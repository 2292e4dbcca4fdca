"""quota.py count|usage LOCATION: ask for what each folder holds, or for the sums; prints messages and seconds."""

import sys
import time

from mailstore import open_store


def main() -> None:
    """Ask the store."""
    what, location = sys.argv[1:]
    start = time.perf_counter()
    with open_store(location, readonly=True, index="memory") as store:
        messages = store.quota.usage().messages if what == "usage" else sum(one.messages for one in store.quota.count())
        seconds = time.perf_counter() - start
    print(messages, seconds)


main()
