"""SHA-256 from Python's own module of it: ``hashlib`` loads OpenSSL first, and a delivery starts a process a mail.

For a few KB, or one message; what is hashed by the gigabyte is better off with ``hashlib``.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256 as sha256
else:
    try:
        sha256 = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:  # an interpreter that was built without
        from hashlib import sha256 as sha256
