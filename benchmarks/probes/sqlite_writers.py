"""How fairly writers share one SQLite store: processes append small messages for a while, and say how long one waited.

python benchmarks/probes/sqlite_writers.py DATABASE [PROCESSES [SECONDS]]
"""

from __future__ import annotations

import subprocess
import sys
import time

from mailstore import open_store

BODY = b"Subject: one of many\n\n" + b"y" * 2000 + b"\n"


def write(location: str, begin: float, seconds: float) -> None:
    """Append from ``begin`` (Unix time) on; print how many messages, and the longest and the 99th percentile wait."""
    waits = []
    with open_store(location, lock_timeout=60) as store:
        time.sleep(max(begin - time.time(), 0))
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            store.inbox.append(BODY)
            waits.append(time.monotonic() - now)
    waits.sort()
    print(len(waits), waits[-1], waits[len(waits) * 99 // 100])


def main(database: str, processes: int, seconds: float) -> None:
    """Run the writers and print what they say."""
    location = f"sqlite:{database}"
    open_store(location, create=True).close()
    begin = str(time.time() + 3)
    command = [sys.executable, __file__, "write", location, begin, str(seconds)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    said = [child.communicate()[0].split() for child in children]
    counts = sorted(int(count) for count, _, _ in said)
    print(f"{sum(counts) / seconds:.0f} messages a second; by process {counts[0]} to {counts[-1]}")
    print(f"longest wait {max(float(longest) for _, longest, _ in said):.2f} s")
    print(f"99 of 100 within {max(float(most) for _, _, most in said):.2f} s")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
    else:
        numbers = [float(number) for number in sys.argv[2:]]
        main(sys.argv[1], int(numbers[0]) if numbers else 8, numbers[1] if len(numbers) > 1 else 10.0)
