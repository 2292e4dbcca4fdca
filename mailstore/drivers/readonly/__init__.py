"""What the read-only drivers share: refusing to write, finding folders in a tree, and one file for each message.

A format that only reads says which directories are folders (``look``), and of each folder which files are messages and
what they say (``FilesFolder``); everything else is here. Nothing at the location is ever written: files are opened
O_RDONLY, with O_NOATIME where that is allowed, and the index lies in memory or where the opener says.
"""

from mailstore.drivers.readonly.driver import ReadOnlyDriver, see_directory
from mailstore.drivers.readonly.folder import Facts, FilesFolder, Listed
from mailstore.drivers.readonly.opened import Opened
from mailstore.drivers.readonly.refusing import Refusing
from mailstore.drivers.readonly.tree import Directory, Tree, directories, entries_of, files, is_hidden, omission, take
from mailstore.drivers.readonly.watching import Hint, WatchedTree

__all__ = [
    "Directory",
    "Facts",
    "FilesFolder",
    "Hint",
    "Listed",
    "Opened",
    "ReadOnlyDriver",
    "Refusing",
    "Tree",
    "WatchedTree",
    "directories",
    "entries_of",
    "files",
    "is_hidden",
    "omission",
    "see_directory",
    "take",
]
