"""What is wrong here, and what to do: looks at a machine and a mail store, changes nothing.

>>> from mailstore.doctor import inspect_locks
>>> report = inspect_locks("mbox:/var/mail/joe")  # doctest: +SKIP
>>> print(report.advice.location, report.ok)  # doctest: +SKIP
mbox:/var/mail/joe?locks=debian False
"""

from mailstore.doctor.inspect import inspect_locks
from mailstore.doctor.report import (
    Advice,
    Breaker,
    Conflict,
    KernelLock,
    LockFile,
    LockReport,
    Place,
    Process,
    Program,
    StaleRule,
)

__all__ = [
    "Advice",
    "Breaker",
    "Conflict",
    "KernelLock",
    "LockFile",
    "LockReport",
    "Place",
    "Process",
    "Program",
    "StaleRule",
    "inspect_locks",
]
