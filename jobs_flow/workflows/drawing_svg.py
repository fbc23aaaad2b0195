"""A layout as SVG: no script, no style attribute, no id, so that it may stand in any page and more than once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from jobs_flow.errors import InvalidArgument
from jobs_flow.workflows.drawing_layout import MARGIN, Layout, Place, figure
from jobs_flow.workflows.drawing_shape import Box, Shape
from jobs_flow.workflows.drawing_text import clean, clip, number
from jobs_flow.workflows.states import TaskStatus

NAME_SIZE, NOTE_SIZE, TITLE_SIZE = 13.0, 11.5, 16.0
#: Height of the line above the picture that says its title.
_HEADING = 34.0
#: Of the icon, and where text begins and ends in a box.
_ICON, _TEXT_FROM, _TEXT_TO = 16.0, 36.0, 10.0

#: Each status in a square of 16: a shape of its own, so that no colour has to be told from another.
ICONS = {
    TaskStatus.INACTIVE: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12Z",
    TaskStatus.QUEUED: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12Z M8 4.8V8l2.4 1.6",
    TaskStatus.RUNNING: "M4.5 2.5L13 8L4.5 13.5Z",
    TaskStatus.OK: "M2.5 8.5L6.3 12.3L13.5 4",
    TaskStatus.SKIPPED: "M2.5 3.5L7 8L2.5 12.5 M8.5 3.5L13 8L8.5 12.5",
    TaskStatus.FAILED: "M3.5 3.5L12.5 12.5 M12.5 3.5L3.5 12.5",
    TaskStatus.CANCELLED: "M3 3H13V13H3Z",
}
#: Three dots, of what is folded.
_FOLD_ICON = "M2.5 8H3.5 M7.5 8H8.5 M12.5 8H13.5"

_LIGHT = ["#5f6b7a", "#6b5bb5", "#1565c0", "#1a7f45", "#7a6200", "#c0262d", "#8a4b08"]
_DARK = ["#a3adba", "#b3a6f0", "#6fb3ff", "#5fcf8c", "#d9bf55", "#ff8a8a", "#eba266"]


def _colours(colours: list[str]) -> str:
    return "".join(f"--jf-{status}:{colour};" for status, colour in zip(TaskStatus, colours, strict=True))


STYLE = f"""
.jf-graph{{--paper:#fff;--card:#fff;--ink:#16202c;--soft:#56616e;--line:#aab4c0;{_colours(_LIGHT)}
color-scheme:light dark;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}}
@media (prefers-color-scheme:dark){{
.jf-graph{{--paper:#11161d;--card:#1a212b;--ink:#e6ebf1;--soft:#a3b0be;--line:#4a5766;{_colours(_DARK)}}}}}
.jf-paper{{fill:var(--paper)}}
.jf-box{{fill:var(--card);stroke:var(--jf-color,var(--line));stroke-width:1.25}}
.jf-name,.jf-heading{{fill:var(--ink);font-weight:600}}
.jf-note{{fill:var(--jf-color,var(--soft))}}
.jf-icon{{stroke:var(--jf-color,var(--soft))}}
.jf-bar{{fill:var(--jf-color,var(--soft))}}
.jf-edge{{stroke:var(--line);stroke-width:1.5}}
.jf-edge.jf-taken{{stroke:var(--soft);stroke-width:2}}
.jf-arrow{{fill:var(--line)}}
.jf-arrow.jf-taken{{fill:var(--soft)}}
.jf-join{{fill:var(--paper);stroke:var(--line);stroke-width:1.5}}
.jf-join.jf-taken{{fill:var(--soft);stroke:var(--soft)}}
.jf-more .jf-box{{fill:none}}
.jf-running .jf-box,.jf-failed .jf-box{{stroke-width:2.5}}
.jf-inactive .jf-box{{stroke:var(--line)}}
.jf-inactive .jf-name{{fill:var(--soft)}}
.jf-link:hover .jf-name,.jf-link:focus .jf-name{{text-decoration:underline}}
""" + "".join(f".jf-{status}{{--jf-color:var(--jf-{status})}}\n" for status in TaskStatus)

Attributes = dict[str, str | float]

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_URL = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff\ufffe\uffff\\]+\Z")


def render(shape: Shape, layout: Layout, *, title: str, links: Mapping[str, str] | None, standalone: bool) -> str:
    """The ``<svg>`` element. Raises ``InvalidArgument`` for a link that is no web address."""
    title = clean(title)
    heading = _HEADING if standalone and title else 0.0
    width, height = layout.width, layout.height + heading
    label = title or "Workflow"
    # With titles of the tasks inside it is a group of pictures: as one picture it would hide them from readers.
    said = {"role": "group", "aria-label": label, "font-family": "sans-serif"}
    view = f"0 {figure(-heading)} {figure(width)} {figure(height)}"
    parts = [_tag("title", {}, _escape(label)), _tag("desc", {}, _escape(_summary(shape)))]
    if standalone:
        paper: Attributes = {"x": 0, "y": -heading, "width": width, "height": height, "fill": "none"}
        parts += [_tag("style", {}, STYLE), _tag("rect", {"class": "jf-paper", **paper})]
    if heading:
        shown = clip(title, width - 2 * MARGIN, TITLE_SIZE)
        parts.append(_text("jf-heading", shown, TITLE_SIZE, MARGIN, -6, heavy=True))
    parts += _connections(shape, layout)
    for box in shape.boxes:
        node = _node(box, layout.boxes[box.index])
        url = links.get(box.path) if links and not box.folds else None
        parts.append(node if url is None else _tag("a", {"class": "jf-link", "href": _checked(url)}, node))
    root: Attributes = {"xmlns": "http://www.w3.org/2000/svg", "class": "jf-graph", "width": width, "height": height}
    return _tag("svg", {**root, "viewBox": view, **said}, "\n", "\n".join(parts), "\n") + "\n"


def _connections(shape: Shape, layout: Layout) -> Iterator[str]:
    # What was taken lies over what was not.
    for line in sorted(layout.lines, key=lambda line: line.taken):
        taken = " jf-taken" if line.taken else ""
        yield _tag("path", {"class": f"jf-edge{taken}", "d": line.line, "fill": "none", "stroke": "currentColor"})
        if line.head is not None:
            yield _tag("path", {"class": f"jf-arrow{taken}", "d": line.head, "fill": "currentColor"})
    for index, place in layout.joins.items():
        taken = " jf-taken" if all(below.ended for below in shape.boxes[index].below) else ""
        half = place.width / 2
        circle: Attributes = {
            "cx": place.x + half,
            "cy": place.y + half,
            "r": half - 1,
            "fill": "none",
            "stroke": "currentColor",
        }
        yield _tag("circle", {"class": f"jf-join{taken}", **circle})


def _node(box: Box, place: Place) -> str:
    dashed: Attributes = {"stroke-dasharray": "5 4"} if box.folds or box.status == TaskStatus.SKIPPED else {}
    frame: Attributes = {"x": 0, "y": 0, "width": place.width, "height": place.height, "rx": 8}
    parts = [
        _tag("title", {}, _escape(box.whole)),
        _tag("rect", {"class": "jf-box", **frame, "fill": "none", "stroke": "currentColor", **dashed}),
    ]
    icon = ICONS[box.status] if box.status else _FOLD_ICON if box.folds else None
    if icon:
        at = f"translate(12 {figure((place.height - _ICON) / 2)})"
        stroke: Attributes = {
            "stroke": "currentColor",
            "stroke-width": 2,
            "stroke-linecap": "round",
            "stroke-linejoin": "round",
        }
        parts.append(_tag("path", {"class": "jf-icon", "d": icon, "transform": at, "fill": "none", **stroke}))
    if box.progress is not None:
        bar: Attributes = {
            "x": _TEXT_TO,
            "y": place.height - 6,
            "width": (place.width - 2 * _TEXT_TO) * box.progress,
            "height": 3,
        }
        parts.append(_tag("rect", {"class": "jf-bar", **bar, "fill": "currentColor"}))
    start = _TEXT_FROM if icon else _TEXT_TO + 2
    room = place.width - start - _TEXT_TO
    texts = [_text("jf-name", clip(box.name, room, NAME_SIZE), NAME_SIZE, 0, 21 if box.note else 29.5, heavy=True)]
    if box.note:
        texts.append(_text("jf-note", clip(box.note, room, NOTE_SIZE), NOTE_SIZE, 0, 38))
    # An inner <svg> cuts off what would go over its edge, whatever font the reader has.
    parts.append(_tag("svg", {"x": start, "y": 0, "width": room, "height": place.height}, *texts))
    kind = "more" if box.folds else box.status or "plain"
    place_at = f"translate({figure(place.x)} {figure(place.y)})"
    said = ", ".join(box.whole.splitlines())
    return _tag("g", {"class": f"jf-node jf-{kind}", "transform": place_at, "role": "img", "aria-label": said}, *parts)


def _text(kind: str, text: str, size: float, x: float, y: float, *, heavy: bool = False) -> str:
    weight: Attributes = {"font-weight": 600} if heavy else {}
    return _tag(
        "text", {"class": kind, "x": x, "y": y, "font-size": size, **weight, "fill": "currentColor"}, _escape(text)
    )


def _tag(name: str, attributes: Attributes, *content: str) -> str:
    """An element; the values of attributes are escaped here, the content is markup already."""
    said = "".join(
        f' {key}="{_escape(value if isinstance(value, str) else figure(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{said}>{''.join(content)}</{name}>" if content else f"<{name}{said}/>"


def _summary(shape: Shape) -> str:
    """What somebody who cannot see the picture is told first."""
    shown = [box for box in shape.boxes if not box.folds]
    if not shown:
        return "There are no tasks."
    steps = len(shape.roots)
    text = f"{number(len(shown))} tasks shown, {number(steps)} after each other."
    counts = Counter(box.status for box in shown if box.status)
    said = ", ".join(f"{number(counts[status])} {status}" for status in TaskStatus if counts[status])
    return f"{text} Of those shown: {said}." if said else text


def _checked(url: str) -> str:
    """A web address, or a path on the same site; nothing that a browser would execute."""
    try:
        if _URL.match(url) and urlsplit(url).scheme in ("", "http", "https"):
            return url
    except ValueError:
        pass
    raise InvalidArgument(argument="links", reason=f"{url!r} is no address of a page: http, https or a path")


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)
