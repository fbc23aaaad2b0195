"""Values as text for pages. What comes from users stays text: templates escape it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from jobs_flow.workflows.estimates import Remaining

#: Characters of one value that a page shows.
VALUE_LIMIT = 100_000


def printable(text: Any) -> str:
    """``text`` without what no page can be encoded with: JSON may hold half a character."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def pretty_json(value: Any) -> str:
    """``value`` as indented JSON, cut at ``VALUE_LIMIT`` characters."""
    text = printable(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    if len(text) <= VALUE_LIMIT:
        return text
    return f"{text[:VALUE_LIMIT]}\n… {len(text) - VALUE_LIMIT} more characters"


def duration_text(milliseconds: float | None) -> str:
    """``480 ms``, ``2.4 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 4 h``; "" for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.3g} s" if seconds < 59.95 else "60 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def about_text(milliseconds: float) -> str:
    """A duration as people say it who do not know it exactly: ``7 s``, ``40 s``, ``3 min``, ``2 h 10 min``."""
    seconds = milliseconds / 1000
    if seconds < 9.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 57.5:
        return f"{round(seconds / 5) * 5} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes / 10) * 10, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def left_text(left: Remaining | None) -> str:
    """How long something goes on, in words; "" when it is not known."""
    if left is None:
        return ""
    if left.overrun:
        return _("longer than usual")
    return _("about %s left") % about_text(left.milliseconds)


def timedelta_text(value: timedelta | None) -> str:
    """As ``duration_text``."""
    return "" if value is None else duration_text(value.total_seconds() * 1000)


def time_tag(moment: datetime | None, *, brief: bool = False) -> SafeString | str:
    """``moment`` in the reader's time zone as a ``<time>`` element; "" for None. ``brief`` leaves out this year."""
    if moment is None:
        return ""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    this_year = brief and local.year == datetime.now(local.tzinfo).year
    return format_html(
        '<time datetime="{}">{} <span class="jf-clock">{}</span></time>',
        local.isoformat(timespec="seconds"),
        formats.date_format(local, "j M" if this_year else "j M Y"),
        formats.date_format(local, "H:i:s"),
    )


def percent(share: float) -> int:
    """A share of 1 in whole percent; 100 only when all is done, 0 only when nothing is."""
    if 0 < share < 1:
        return min(99, max(1, round(share * 100)))
    return round(max(0.0, min(1.0, share)) * 100)
