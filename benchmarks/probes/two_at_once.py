"""two_at_once.py COUNT MESSAGE COMMAND...: run COMMAND COUNT times with MESSAGE on its standard input, two at a time.

As an MTA runs delivery agents. Ends at the first that fails.
"""

import os
import sys


def main() -> None:
    """Run them all."""
    count, message, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    running = 0
    for _ in range(count):
        if running == 2:
            reap()
            running -= 1
        stdin = [(os.POSIX_SPAWN_OPEN, 0, message, os.O_RDONLY, 0)]
        os.posix_spawnp(command[0], command, os.environ, file_actions=stdin)
        running += 1
    for _ in range(running):
        reap()


def reap() -> None:
    """Wait for one of them."""
    _, status = os.wait()
    if status:
        sys.exit(f"{sys.argv[3]}: exit {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
