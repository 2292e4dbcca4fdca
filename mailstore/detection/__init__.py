"""What mail lies where, and why we think so: ``mstore detect`` and the library behind it. Changes nothing.

>>> from mailstore.detection import find_mail
>>> for find in find_mail(["/home/joe"]).finds:  # doctest: +SKIP
...     print(find.path, find.location, find.evidence)
"""

from mailstore.detection.result import Find, Kind
from mailstore.detection.search import DEPTH, Found, find_mail

__all__ = ["DEPTH", "Find", "Found", "Kind", "find_mail"]
