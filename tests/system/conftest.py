from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.syscalls import Recorder

from mailstore.system import fs


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Notes every system call of the test."""
    made = Recorder()
    with fs.replaced(made.table):
        yield made
