"""The tasks of an instance as a picture, coloured by their statuses: in the page, and as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils.safestring import SafeString, mark_safe

from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows import drawing

#: Tasks that have links in a picture, which shows fewer: the addresses of more are not made up for it.
LINKED = 5_000

#: Kinds of files: their type, and the end of their names.
FILES = {"svg": ("image/svg+xml", "svg"), "mermaid": ("text/plain; charset=utf-8", "mmd")}


def graph(snapshot: Snapshot, title: str, link: Callable[[str], str]) -> SafeString:
    """An ``<svg>`` for a page, whose style sheet gives it its colours; ``link`` gives the address of a task's page."""
    paths = list(snapshot.tasks) if len(snapshot.tasks) <= LINKED else []
    links: Mapping[str, str] = {path: link(path) for path in paths}
    text = drawing.svg(snapshot.tree, snapshot.tasks, title=title, links=links, standalone=False)
    return mark_safe(text)  # noqa: S308 - all text in it is escaped by the drawing


def file(snapshot: Snapshot, kind: str, title: str) -> str:
    """The text of a file of one of the kinds of ``FILES``."""
    draw = drawing.svg if kind == "svg" else drawing.mermaid
    return draw(snapshot.tree, snapshot.tasks, title=title)
