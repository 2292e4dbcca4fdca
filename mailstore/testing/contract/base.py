"""What every section of the contract stands on: the harness, the store, and the gate that skips what cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from mailstore import Store
from mailstore.model.caps import NATIVE_SHORTCUTS
from mailstore.testing.harness import Harness
from mailstore.testing.marks import missing, runs_both_ways

BOTH_WAYS = {"native": frozenset[str](), "masked": NATIVE_SHORTCUTS}


class Contract:
    """Fixtures of the suite. Every test gets an empty directory, and a harness and a store of its own in it."""

    harness_class: ClassVar[type[Harness]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test twice, with and without native shortcuts, where it asks for it and the driver has any."""
        if runs_both_ways(metafunc.function):
            metafunc.parametrize("harness", list(BOTH_WAYS.values()), ids=list(BOTH_WAYS), indirect=True)

    @pytest.fixture
    def harness(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
        """Return the harness of the driver under test; what it opened is closed after the test."""
        with self.harness_class(tmp_path, getattr(request, "param", frozenset())).closing() as harness:
            for asking in (request.function, *self._parameters(request)):
                reason = missing(asking, harness.capabilities)
                if reason is not None:
                    pytest.skip(reason)
            yield harness

    @staticmethod
    def _parameters(request: pytest.FixtureRequest) -> Iterable[object]:
        callspec = getattr(request.node, "callspec", None)
        return () if callspec is None else callspec.params.values()

    @pytest.fixture
    def store(self, harness: Harness) -> Store:
        """Return a new, empty store."""
        return harness.create()
