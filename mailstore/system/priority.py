"""Giving way to other programs: processor and disk."""

from __future__ import annotations

import os
import sys

_IDLE = 3 << 13
"""IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0), see ioprio_set(2)."""
_THIS_PROCESS = 1
"""IOPRIO_WHO_PROCESS."""
_NUMBERS = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
"""The number of ioprio_set, for which the C library has no function, by machine."""


def give_way() -> bool:
    """Let this process, and those it starts from now on, wait for all others: nice 19, and the idle class of the disk.

    Returns False where the disk's part is not to be had (another system or machine than those known).
    """
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    number = _NUMBERS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if number is None:
        return False
    import ctypes  # late: few want it

    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.syscall(number, _THIS_PROCESS, 0, _IDLE) == 0)
