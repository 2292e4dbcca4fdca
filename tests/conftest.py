"""Settings for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A shared machine stalls for seconds; how long an example took says nothing.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
