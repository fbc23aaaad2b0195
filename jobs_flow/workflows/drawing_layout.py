"""Where the boxes of a picture stand, and how their connections run.

Root tasks stand in a row, and the subtasks of a task beside each other after it, in a strip of their own
that nothing else enters: so no box lies on another and no connection crosses a box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs_flow.workflows.drawing_shape import Edge, Point, Shape

#: Of a box, and the diameter of a join, in pixels.
WIDTH, HEIGHT, JOIN = 196.0, 50.0, 14.0
#: Around the picture.
MARGIN = 16.0
#: A picture wider than this goes down instead of to the right, where that makes it narrower.
MAX_WIDTH = 1300.0

#: Between what follows each other, before a join, and between what stands beside each other.
_STEP, _BEFORE_JOIN, _BESIDE = 40.0, 26.0, 14.0
_CORNER = 8.0
_ARROW = 7.0


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A connection as SVG paths: the line, and the head where it leads to a box."""

    line: str
    head: str | None
    taken: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of boxes, and of joins, by the box's index; connections in the order of the shape's."""

    width: float
    height: float
    right: bool
    boxes: Mapping[int, Place]
    joins: Mapping[int, Place]
    lines: list[Line]


def layout(shape: Shape) -> Layout:
    """The picture to the right, as text is read; down where that would be too wide."""
    right, down = _Frame(shape, right=True), _Frame(shape, right=False)
    return (right if right.width <= max(MAX_WIDTH, down.width) else down).layout()


class _Frame:
    """A layout in one direction: ``along`` is the way that the run goes, ``across`` is how parallel tasks stand."""

    def __init__(self, shape: Shape, *, right: bool) -> None:
        self._shape = shape
        self._right = right
        self._box = (WIDTH, HEIGHT) if right else (HEIGHT, WIDTH)
        self._along: dict[int, float] = {}
        self._across: dict[int, float] = {}
        self._measure()
        roots = [root.index for root in shape.roots]
        self._length = sum(self._along[root] for root in roots) + _STEP * max(len(roots) - 1, 0)
        self._breadth = max((self._across[root] for root in roots), default=0.0)
        sides = (self._length, self._breadth) if right else (self._breadth, self._length)
        self.width, self.height = (2 * MARGIN + side for side in sides)

    def _measure(self) -> None:
        """How much room each box needs together with its block."""
        for box in reversed(self._shape.boxes):
            along, across = self._box
            if box.below:
                along += _STEP + max(self._along[below.index] for below in box.below)
                along += _BEFORE_JOIN + JOIN if box.joins else 0.0
                inside = sum(self._across[below.index] for below in box.below) + _BESIDE * (len(box.below) - 1)
                across = max(across, inside)
            self._along[box.index], self._across[box.index] = along, across

    def layout(self) -> Layout:
        """The places, from the outermost blocks inwards."""
        #: Beginning along, and middle across.
        starts: dict[int, tuple[float, float]] = {}
        at, middle = MARGIN, MARGIN + self._breadth / 2
        for root in self._shape.roots:
            starts[root.index] = (at, middle)
            at += self._along[root.index] + _STEP
        joins: dict[int, Place] = {}
        for box in self._shape.boxes:
            begin, middle = starts[box.index]
            inside = sum(self._across[below.index] for below in box.below) + _BESIDE * (len(box.below) - 1)
            edge = middle - inside / 2
            for below in box.below:
                own = self._across[below.index]
                starts[below.index] = (begin + self._box[0] + _STEP, edge + own / 2)
                edge += own + _BESIDE
            if box.joins:
                joins[box.index] = self._place(begin + self._along[box.index] - JOIN, middle, JOIN, JOIN)
        boxes = {index: self._place(*start, *self._box) for index, start in starts.items()}
        lines = [self._line(edge, boxes, joins) for edge in self._shape.edges()]
        return Layout(self.width, self.height, self._right, boxes, joins, lines)

    def _place(self, begin: float, middle: float, along: float, across: float) -> Place:
        if self._right:
            return Place(begin, middle - across / 2, along, across)
        return Place(middle - across / 2, begin, across, along)

    def _line(self, edge: Edge, boxes: Mapping[int, Place], joins: Mapping[int, Place]) -> Line:
        def sides(point: Point) -> tuple[float, float, float]:
            place = (joins if point.join else boxes)[point.index]
            x, y, width, height = place.x, place.y, place.width, place.height
            return (x, x + width, y + height / 2) if self._right else (y, y + height, x + width / 2)

        _, begin, level = sides(edge.source)
        end, _, other = sides(edge.target)
        tip = end if edge.target.join else end - _ARROW
        # It turns in the gap before its target, where nothing stands; until there it runs in its own strip.
        turn = end - (_BEFORE_JOIN if edge.target.join else _STEP) / 2
        if abs(level - other) < 0.01:
            line = f"M{self._point(begin, level)} L{self._point(tip, other)}"
        else:
            side = 1 if other > level else -1
            corner = min(_CORNER, abs(other - level) / 2)
            line = (
                f"M{self._point(begin, level)} L{self._point(turn - corner, level)}"
                f" Q{self._point(turn, level)} {self._point(turn, level + side * corner)}"
                f" L{self._point(turn, other - side * corner)}"
                f" Q{self._point(turn, other)} {self._point(turn + corner, other)}"
                f" L{self._point(tip, other)}"
            )
        if edge.target.join:
            return Line(line, None, edge.taken)
        half = _ARROW / 2 + 0.5
        ends = ((end, other), (tip, other - half), (tip, other + half))
        head = "M" + " L".join(self._point(*each) for each in ends) + " Z"
        return Line(line, head, edge.taken)

    def _point(self, along: float, across: float) -> str:
        return f"{figure(along)} {figure(across)}" if self._right else f"{figure(across)} {figure(along)}"


def figure(value: float) -> str:
    """A coordinate in as few characters as say it to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
