"""Copy any mail store into any other, and tell whether two stores hold the same mail.

>>> from mailstore import open_store
>>> from mailstore.convert import Conversion, convert
>>> with open_store("mbox:old", readonly=True) as old, open_store("maildir:new", create=True) as new:  # doctest: +SKIP
...     report = convert(old, new)
...     print(report.copied, report.ok)
"""

from mailstore.convert.archive import open_destination
from mailstore.convert.follow import Followed, Follower, Status
from mailstore.convert.journal import journal_path
from mailstore.convert.losses import LOSSES
from mailstore.convert.mapping import Collision, FolderMapping, Substitution
from mailstore.convert.options import Options, Progress
from mailstore.convert.pace import Pace
from mailstore.convert.pipeline import Conversion, convert
from mailstore.convert.plan import Plan, PlannedFolder, plan
from mailstore.convert.popids import UIDL_SERVERS
from mailstore.convert.report import FolderReport, Loss, Problem, Report
from mailstore.convert.split import SPLITS, Part, split
from mailstore.convert.verify import Comparison, Difference, verify_stores

__all__ = [
    "LOSSES",
    "SPLITS",
    "UIDL_SERVERS",
    "Collision",
    "Comparison",
    "Conversion",
    "Difference",
    "FolderMapping",
    "FolderReport",
    "Followed",
    "Follower",
    "Loss",
    "Options",
    "Pace",
    "Part",
    "Plan",
    "PlannedFolder",
    "Problem",
    "Progress",
    "Report",
    "Status",
    "Substitution",
    "convert",
    "journal_path",
    "open_destination",
    "plan",
    "split",
    "verify_stores",
]
