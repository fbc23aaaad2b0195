"""What a report is made of, and the page that it is written to.

A report holds numbers and the names of plot files; the files are in a directory of the instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

from testproject.weather.measures import MONTHS, Figure

#: Sections in the order of the page.
ORDER = ("curve", "extremes", "amounts", "spells", "wind", "kinds", "snow", "hours")
PAGE = "report.html"
STYLE = "report.css"


class Section(TypedDict):
    """A part of a report; ``plot`` is the name of a file beside it."""

    section: str
    title: str
    figures: list[Figure]
    plot: str | None
    alt: str


class Report(TypedDict):
    """A whole report; ``page`` is the name of the file it was written to."""

    title: str
    period: dict[str, Any]
    summary: str
    sections: list[Section]
    source: str
    page: str


_INSTANCE_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


def section(
    name: str, title: str, *, figures: Sequence[Figure] = (), plot: str | None = None, alt: str = ""
) -> Section:
    """One part of a report."""
    return {"section": name, "title": title, "figures": list(figures), "plot": plot, "alt": alt}


def compose(label: str, period: Mapping[str, Any], results: Any, *, source: str = "") -> Report:
    """The report out of whatever the measures handed on.

    A skipped task hands on what it was given, which is no section, so what it would have told is left out.
    """
    found = {part["section"]: part for part in _sections(results)}
    years = period["years"]
    span = str(years[0]) if len(years) == 1 else f"{years[0]} to {years[-1]}"
    return {
        "title": f"{label}, {span}",
        "period": dict(period),
        "summary": f"{period['days']:,} days, {_date(period['first'])} to {_date(period['last'])}",
        "sections": [found[name] for name in ORDER if name in found],
        "source": source,
        "page": PAGE,
    }


def _sections(value: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    if value.get("section") in ORDER:
        yield value
    else:
        for part in value.values():
            yield from _sections(part)


def _date(text: str) -> str:
    year, month, day = text.split("-")
    return f"{int(day)} {MONTHS[int(month) - 1]} {year}"


def directory(instance_id: str) -> Path:
    """Where the files of an instance are. Raises ``ValueError`` for what is no id."""
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise ValueError("That is not the id of an instance.")
    return Path(settings.MEDIA_ROOT) / "reports" / instance_id


def write_page(where: Path, report: Mapping[str, Any]) -> None:
    """Write the report as a page that needs no server: its plots and its style stand beside it."""
    where.mkdir(parents=True, exist_ok=True)
    style = finders.find(f"testproject/{STYLE}")
    if style is None:
        raise FileNotFoundError(f"The static file testproject/{STYLE} is not there.")
    (where / STYLE).write_bytes(Path(str(style)).read_bytes())
    (where / PAGE).write_text(render_to_string("weather/report_page.html", {"report": report}), encoding="utf-8")
