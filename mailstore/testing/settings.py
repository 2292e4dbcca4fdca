"""How hard the suite tries: few examples by default, many with ``MAILSTORE_TESTING=thorough`` in the environment."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

THOROUGH = os.environ.get("MAILSTORE_TESTING") == "thorough"
"""Whether to take time. Otherwise examples are few, and the same in every run."""

EXAMPLES = hypothesis_settings(
    max_examples=500 if THOROUGH else 30,
    derandomize=not THOROUGH,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""For a property that touches a store."""

MACHINE = hypothesis_settings(
    max_examples=150 if THOROUGH else 12,
    stateful_step_count=60 if THOROUGH else 30,
    phases=[Phase.generate, *([Phase.shrink] if THOROUGH else [])],
    derandomize=not THOROUGH,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""For the state machine. Shrinking what fails takes minutes of disk: only where there is time."""
