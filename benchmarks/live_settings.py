"""The example project's settings, for many sockets of one user and a page that is polled."""

from __future__ import annotations

from testproject.settings import *  # noqa: F403
from testproject.settings import JOBS_FLOW as _JOBS_FLOW

JOBS_FLOW = {**_JOBS_FLOW, "SOCKETS_PER_USER": 100_000}
ROOT_URLCONF = "benchmarks.live_polled"
LOGGING_CONFIG = None
