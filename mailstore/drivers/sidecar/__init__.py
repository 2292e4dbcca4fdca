"""The index of the file formats (mbox, Maildir): a cache, plus modseqs and vanished UIDs. Losing it loses no mail.

``open_index`` gives an ``Index``; ``load`` gives the FolderIndex of one folder; ``FolderIndex.reconcile`` takes a scan
of the folder in; ``store`` makes that lasting, unless another process was quicker: ``update`` then begins again.
"""

from mailstore.drivers.sidecar.entry import Changed, Entry, Found
from mailstore.drivers.sidecar.folder import FolderIndex
from mailstore.drivers.sidecar.index import Index, MemoryIndex, update
from mailstore.drivers.sidecar.place import open_index

__all__ = ["Changed", "Entry", "FolderIndex", "Found", "Index", "MemoryIndex", "open_index", "update"]
