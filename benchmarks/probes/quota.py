"""quota.py count|usage LOCATION: ask for what each folder holds, or for the sums; prints messages and seconds.

The seconds are of processor time, of a second call: the first one loads the code.
"""

import sys
import time

from mailstore import open_store


def main() -> None:
    """Ask the store."""
    what, location = sys.argv[1:]
    ask(what, location)
    start = time.process_time()
    messages = ask(what, location)
    print(messages, time.process_time() - start)


def ask(what: str, location: str) -> int:
    """Open it anew and ask."""
    with open_store(location, readonly=True, index="memory") as store:
        if what == "usage":
            return store.quota.usage().messages
        return sum(one.messages for one in store.quota.count())


main()
