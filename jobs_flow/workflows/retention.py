"""For how long finished instances are kept: what users may say, and what it means."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

from jobs_flow.workflows.retry import MAX_SECONDS

#: For how long, as users say it: seconds, a ``timedelta``, ``math.inf`` for ever; None: as the default says.
Keep = float | timedelta | None

#: Seconds for which anything is kept at least. Whoever waits for a run reads its result, and if the process that
#: recorded the end has died, recovery tells the hooks of it: nobody can tell of what is gone.
SHORTEST_KEEP = 60.0

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")


def keep_seconds(value: Any) -> float | None:
    """A ``keep`` in seconds, ``math.inf`` for ever, None for None. Raises ``ValueError`` that says what is wrong."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"keep is a number of seconds, a timedelta, or math.inf for ever, not {type(value).__name__}")
    if seconds != math.inf and not SHORTEST_KEEP <= seconds <= MAX_SECONDS:
        reason = f"keep is {SHORTEST_KEEP:g} to {MAX_SECONDS:.0f} seconds, or math.inf for ever, not {seconds:g}"
        raise ValueError(f"{reason}; for what nobody needs after its run there is ephemeral=True")
    return float(seconds)


def keep_milliseconds(seconds: float | None) -> int | None:
    """What ``keep_seconds`` gave, as storages take it; None: for ever."""
    return None if seconds is None or seconds == math.inf else round(seconds * 1000)


def age_milliseconds(value: Any) -> int:
    """An age that a person gives: seconds, a ``timedelta``, or text such as ``30d``, ``12h``, ``45m``, ``90s``, ``2w``.

    Raises ``ValueError`` that says what is wrong.
    """
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"{value!r} is no duration; write 30d, 12h, 45m, 90s or 2w")
        value = float(found[1]) * _UNITS[found[2] or "s"]
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"it is a number of seconds, a timedelta, or text such as 30d, not {type(value).__name__}")
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"it is 0 to {MAX_SECONDS:.0f} seconds, not {seconds:g}")
    return round(seconds * 1000)
