"""launch.py COMMAND...: run it; the last line of stdout has seconds, CPU seconds, peak resident bytes, exit status.

A process of its own and a small one: a child's peak memory is counted from the moment it is forked, so a large
parent would be charged to it.
"""

import os
import sys
import time

start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
cpu = usage.ru_utime + usage.ru_stime
print(f"\n{seconds} {cpu} {usage.ru_maxrss * 1024} {os.waitstatus_to_exitcode(status)}")
