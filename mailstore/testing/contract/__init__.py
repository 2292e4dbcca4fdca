"""The clauses of ``docs/contract.md`` as tests, a module and a class for each section."""

from mailstore.testing.contract.commits import CommitContract
from mailstore.testing.contract.content import ContentContract
from mailstore.testing.contract.crashes import CrashContract
from mailstore.testing.contract.everything import EverythingContract
from mailstore.testing.contract.flags import FlagsContract
from mailstore.testing.contract.folders import FolderContract
from mailstore.testing.contract.history import HistoryContract
from mailstore.testing.contract.listing import FolderListingContract
from mailstore.testing.contract.metadata import MetadataContract
from mailstore.testing.contract.natives import NativeContract
from mailstore.testing.contract.quota import QuotaContract
from mailstore.testing.contract.readonly import ReadOnlyContract
from mailstore.testing.contract.stores import StoreContract
from mailstore.testing.contract.together import TogetherContract
from mailstore.testing.contract.transfer import TransferContract
from mailstore.testing.contract.uids import UidContract


class DriverContract(
    ContentContract,
    MetadataContract,
    FlagsContract,
    UidContract,
    HistoryContract,
    CommitContract,
    TransferContract,
    FolderContract,
    FolderListingContract,
    StoreContract,
    CrashContract,
    NativeContract,
    TogetherContract,
    EverythingContract,
    QuotaContract,
):
    """Every clause but those of section 14. Subclass it, and set ``harness_class``."""


__all__ = ["DriverContract", "ReadOnlyContract"]
