"""A shape as Mermaid text, as GitHub, GitLab and documentation tools show it."""

from __future__ import annotations

import hashlib
import json
import re

from jobs_flow.workflows.drawing_shape import Box, Point, Shape
from jobs_flow.workflows.drawing_text import ELLIPSIS, clean
from jobs_flow.workflows.states import TaskStatus

#: What Mermaid takes by default: characters, and connections.
MAX_TEXT, MAX_EDGES = 50_000, 500
#: Characters of each line in a box.
_LINE = 60

_SIGNS = {
    TaskStatus.INACTIVE: "○",
    TaskStatus.QUEUED: "◷",
    TaskStatus.RUNNING: "▶",
    TaskStatus.OK: "✓",
    TaskStatus.SKIPPED: "»",
    TaskStatus.FAILED: "✗",
    TaskStatus.CANCELLED: "■",
}
#: The colours of each kind of box; text is dark on light, so that they hold on light and dark pages.
_COLOURS = {
    "plain": "fill:#f6f7f9,stroke:#5f6b7a,color:#16202c",
    TaskStatus.INACTIVE: "fill:#f6f7f9,stroke:#5f6b7a,color:#46515e",
    TaskStatus.QUEUED: "fill:#efecfa,stroke:#6b5bb5,color:#16202c",
    TaskStatus.RUNNING: "fill:#e3effc,stroke:#1565c0,color:#16202c,stroke-width:3px",
    TaskStatus.OK: "fill:#e2f4e9,stroke:#1a7f45,color:#16202c",
    TaskStatus.SKIPPED: "fill:#fbf5dc,stroke:#7a6200,color:#16202c,stroke-dasharray:5 4",
    TaskStatus.FAILED: "fill:#fdecec,stroke:#c0262d,color:#16202c,stroke-width:3px",
    TaskStatus.CANCELLED: "fill:#fbefe3,stroke:#8a4b08,color:#16202c",
    "more": "fill:#ffffff,stroke:#5f6b7a,color:#46515e,stroke-dasharray:5 4",
    "join": "fill:#5f6b7a,stroke:#5f6b7a,color:#5f6b7a",
}
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*\Z")
#: Characters that mean nothing to Mermaid, Markdown or HTML wherever they stand, besides letters and digits.
_SAFE = frozenset(" ,…·\xa0") | frozenset(_SIGNS.values())


def render(shape: Shape, *, right: bool, title: str) -> str:
    """The flowchart, ending in a line break."""
    lines = []
    if title := clean(title):
        # As JSON it is a YAML text whatever is in it.
        lines += ["---", f"title: {json.dumps(title, ensure_ascii=False)}", "---"]
    lines.append(f"flowchart {'LR' if right else 'TD'}")
    names = _ids(shape)
    used: dict[str, None] = {}
    for box in shape.boxes:
        kind = "more" if box.folds else str(box.status or "plain")
        used[kind] = None
        lines.append(f'    {names[Point(box.index)]}["{_label(box)}"]:::{kind}')
        if box.joins:
            used["join"] = None
            lines.append(f'    {names[Point(box.index, join=True)]}((" ")):::join')
    lines += (
        f"    {names[edge.source]} {'==>' if edge.taken else '-->'} {names[edge.target]}" for edge in shape.edges()
    )
    lines += (f"    classDef {kind} {colours}" for kind, colours in _COLOURS.items() if kind in used)
    if not shape.boxes:
        lines.append('    none["no tasks"]')
    return "\n".join(lines) + "\n"


def _ids(shape: Shape) -> dict[Point, str]:
    """Identifiers that depend on nothing but the path, so that a change of one task is a change of its lines only."""
    names: dict[Point, str] = {}
    gaps = 0
    for box in shape.boxes:
        own = _name(box.path)
        if not box.folds:
            # The letter before keeps words of Mermaid's, such as ``end``, from being read as such.
            names[Point(box.index)] = f"t_{own}"
            names[Point(box.index, join=True)] = f"j_{own}"
        elif own:
            names[Point(box.index)] = f"more_{own}"
        else:
            gaps += 1
            names[Point(box.index)] = f"more{gaps}"
    return names


def _name(path: str) -> str:
    """A path as part of an identifier: two underscores for the dot; a digest, after one, where it has other letters."""
    words = path.split(".")[1:]
    if all(map(_PLAIN.match, words)) and len(path) <= _LINE:
        return "__".join(words)
    return "_" + hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()[:16]


def _label(box: Box) -> str:
    sign = f"{_SIGNS[box.status]} " if box.status else ""
    lines = [sign + _clip(box.name), _clip(box.note)]
    return "<br/>".join(_escape(line) for line in lines if line)


def _clip(text: str) -> str:
    return text if len(text) <= _LINE else text[: _LINE - 1] + ELLIPSIS


def _escape(text: str) -> str:
    """``text`` with everything that Mermaid, Markdown or HTML might read as theirs written as a number."""
    escaped = "".join(char if char.isalnum() or char in _SAFE else f"#{ord(char)};" for char in text)
    # Two dollars begin a formula even when they are written as numbers: a space without width keeps them apart.
    return escaped.replace("#36;#36;", "#36;#8203;#36;").replace("#36;#36;", "#36;#8203;#36;")
