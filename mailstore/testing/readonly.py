"""How the suite makes and disturbs the stores of a driver that only reads."""

from __future__ import annotations

from abc import abstractmethod

from mailstore import FolderPath
from mailstore.model.caps import Capabilities
from mailstore.testing.harness import Harness


class ReadOnlyHarness(Harness):
    """One store that other programs write. Subclass it, say where the store is, and how they do that.

    ``foreign_seen`` is only called where the capabilities say that the format keeps flags.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What stores of this driver keep; found once for a class."""
        if type(self) not in self._capabilities:
            probe = self.sibling("probe")
            probe.foreign_make()
            with probe._open() as store:
                self._capabilities[type(self)] = store.capabilities
        return self._capabilities[type(self)]

    @abstractmethod
    def foreign_make(self) -> None:
        """Make an empty store as another program would."""

    @abstractmethod
    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        """Put an unread message into a folder, which is made where it is missing, as another program would."""

    def foreign_holds(self, body: bytes) -> bool:
        """Whether another program can put these bytes there so that they stay what they are: an mbox ends lines."""
        return True

    @abstractmethod
    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        """Remove the message with these bytes as another program would."""

    @abstractmethod
    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        r"""Set ``\Seen`` on the message with these bytes as another program would."""
