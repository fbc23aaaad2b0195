"""A running instance in the terminal: a live tree, or plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from jobs_flow.workflows.states import ENDED
from testproject.demo.follow import State

MARKS = {"ok": "✔", "skipped": "↷", "failed": "✘", "cancelled": "⊘", "queued": "◌", "inactive": "·", "running": "▸"}
STYLES = {
    "ok": "green",
    "skipped": "yellow",
    "failed": "bold red",
    "cancelled": "red",
    "queued": "cyan",
    "inactive": "dim",
    "running": "bold cyan",
}


class View(Protocol):
    """What shows an instance: a context that is told of each change."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, state: State, changed: Sequence[str]) -> None:
        """Show the state, of which these tasks have changed."""


def view(console: Console, title: str) -> View:
    """A live tree where the console is a terminal that can, else plain lines."""
    fancy = console.is_terminal and not console.is_dumb_terminal
    return LiveTree(console, title) if fancy else PlainLines(console, title)


class PlainLines:
    """One line each time that a task starts or ends."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._known: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._print(self._title)
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, state: State, changed: Sequence[str]) -> None:
        """Print what is new."""
        for path in changed:
            task = state.tasks[path]
            status = task["status"]
            if self._known.get(path) == status or not (status == "running" or status in ENDED):
                continue
            self._known[path] = status
            self._print(f"  {status:<9} {path:<31} {_seconds(task):>8}  {_remark(state, path)}".rstrip())

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveTree:
    """The tree of the tasks, with a bar for each, drawn again at each change."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._live = Live(console=console, refresh_per_second=12)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def show(self, state: State, changed: Sequence[str]) -> None:
        """Draw the state."""
        ended = sum(task["status"] in ENDED for task in state.tasks.values())
        total = len(state.tasks)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self._title, style="bold"),
            ProgressBar(total=total, completed=ended, width=24),
            Text(f"{ended} of {total}", style="dim"),
            Text(
                state.status,
                style=STYLES["failed" if state.status == "failed" else "ok" if state.finished else "queued"],
            ),
        )
        self._live.update(Group(head, self._tasks(state)))

    def _tasks(self, state: State) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(width=12)
        table.add_column(justify="right", width=8)
        table.add_column()  # the only one that gets narrower with the terminal
        for path, guide, name in _rows(state.tree):
            task = state.tasks[path]
            status = task["status"]
            label = Text.assemble((guide, "dim"), (MARKS[status], STYLES[status]), " ", (name, STYLES[status]))
            table.add_row(label, _bar(task), Text(_seconds(task), style="dim"), _one_line(_remark(state, path)))
        return table


def _rows(tree: Sequence[dict[str, Any]], lead: str = "") -> list[tuple[str, str, str]]:
    """``(path, guide, name)`` for each task, in order."""
    rows = []
    for index, node in enumerate(tree):
        last = index == len(tree) - 1
        rows.append((node["path"], lead + ("└─ " if last else "├─ "), node["name"]))
        rows += _rows(node["children"], lead + ("   " if last else "│  "))
    return rows


def _bar(task: dict[str, Any]) -> RenderableType:
    if task["status"] == "running":
        if task.get("progress") is None:
            return Spinner("dots", style="cyan")
        return ProgressBar(total=1.0, completed=task["progress"], width=12)
    if task["status"] == "ok":
        return ProgressBar(total=1.0, completed=1.0, width=12)
    return Text("")


def _one_line(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")


def _seconds(task: dict[str, Any]) -> str:
    duration = task.get("duration")
    return "" if duration is None else f"{duration / 1000:.2f} s"


def _remark(state: State, path: str) -> str:
    task = state.tasks[path]
    if task.get("error"):
        return str(task["error"]["message"])
    if task["status"] == "running" and task.get("progressText"):
        return str(task["progressText"])
    if task["status"] == "skipped":
        return "skipped"
    return state.logs.get(path, "")
