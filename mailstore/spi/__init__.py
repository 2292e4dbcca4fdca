"""The driver interface: ``driver`` are the duties of a format, ``native`` is what it may do besides."""

from __future__ import annotations

from mailstore.spi.driver import Driver, FolderDriver, Format, Guard, Location, Settings, Shared
from mailstore.spi.native import (
    Adopting,
    Cloning,
    Concern,
    FreshFolder,
    FreshFolders,
    Hold,
    Holding,
    Joining,
    Measuring,
    Omitting,
    Part,
    QuotaKeeping,
    Shards,
    SpecialUse,
    TakingOver,
    Together,
    Watchable,
    WatchPoint,
)

__all__ = [
    "Adopting",
    "Cloning",
    "Concern",
    "Driver",
    "FolderDriver",
    "Format",
    "FreshFolder",
    "FreshFolders",
    "Guard",
    "Hold",
    "Holding",
    "Joining",
    "Location",
    "Measuring",
    "Omitting",
    "Part",
    "QuotaKeeping",
    "Settings",
    "Shards",
    "Shared",
    "SpecialUse",
    "TakingOver",
    "Together",
    "WatchPoint",
    "Watchable",
]
