"""A workflow, or a run of one, as a picture: Mermaid text for documents, SVG for pages and files.

Both draw what the engine does: a task runs first, then its subtasks beside each other, and what follows them
starts when all of them have ended, at a *join*. A picture shows names, descriptions, statuses, times and
counts; never data, results, arguments, logs or messages of errors, so it needs no ``view_payload``.

Class names of the SVG, for pages that style it themselves:

| class | of |
|---|---|
| ``jf-graph`` | the ``<svg>`` |
| ``jf-node jf-<status>`` | the ``<g>`` of a task; without task views ``jf-node jf-plain`` |
| ``jf-node jf-more`` | the ``<g>`` of what is folded: "+ 80 more: 75 ok, 5 failed" |
| ``jf-box`` | the ``<rect>`` of either |
| ``jf-icon`` | the ``<path>`` in a task's box that says its status by its shape |
| ``jf-name``, ``jf-note`` | the ``<text>`` of the first and of the second line |
| ``jf-bar`` | the ``<rect>`` of a running task's progress |
| ``jf-edge``, ``jf-arrow`` | the ``<path>`` of a connection, of its head; with ``jf-taken`` once the run went there |
| ``jf-join`` | the ``<circle>`` where parallel tasks are waited for; with ``jf-taken`` once all have ended |
| ``jf-link`` | the ``<a>`` around a task, with ``links`` |
| ``jf-heading``, ``jf-paper`` | the ``<text>`` of the title and the ``<rect>`` behind all; ``standalone`` only |

Colours are presentation attributes, ``currentColor``, so that any rule of a page's own replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs_flow.workflows import drawing_mermaid, drawing_svg
from jobs_flow.workflows.drawing_layout import layout
from jobs_flow.workflows.drawing_shape import MAX_BOXES, Tree, Views, shape

#: What a picture may be made as.
FORMATS = ("mermaid", "svg")


def mermaid(tree: Tree, views: Views | None = None, *, title: str = "") -> str:
    """A Mermaid flowchart of a description, ``Plan.describe()``; with task views by path, of a run.

    Identifiers depend on paths alone, and no name or description is ever read as Mermaid. Wide blocks and long
    sequences are folded, in a run around what failed or is at work, so that it stays within what Mermaid takes
    without settings, 500 connections and 50 000 characters, unless tasks are nested more than a hundred deep.
    """
    text = ""
    for most in (MAX_BOXES, MAX_BOXES // 4, MAX_BOXES // 8):
        found = shape(tree, views, most=most)
        text = drawing_mermaid.render(found, right=layout(found).right, title=title)
        if len(text) <= drawing_mermaid.MAX_TEXT and len(found.edges()) <= drawing_mermaid.MAX_EDGES:
            break
    return text


def svg(
    tree: Tree,
    views: Views | None = None,
    *,
    title: str = "",
    links: Mapping[str, str] | None = None,
    standalone: bool = True,
) -> str:
    """An ``<svg>`` of a description, ``Plan.describe()``; with task views by path, of a run.

    ``links``: addresses of pages by path; http, https or a path on the same site, else ``InvalidArgument``.
    ``standalone``: a file that looks right by itself, light and dark, with its title on it. Without it, an element
    for a page under any content security policy, which styles it by the class names above.
    The same arguments give the same text. Blocks of more than 20 and sequences of more than 120 are folded, and
    more so where there would be more than 240 boxes.
    """
    found = shape(tree, views)
    return drawing_svg.render(found, layout(found), title=title, links=links, standalone=standalone)
