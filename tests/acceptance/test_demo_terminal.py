"""What the terminal shows of an instance: a live tree, or plain lines; and how it follows the storage."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from jobs_flow import Jobs, Registry, Task
from jobs_flow.errors import InstanceNotFound
from jobs_flow.storages.records import Event
from testproject.demo.children import DemoError
from testproject.demo.follow import State, follow, read
from testproject.demo.terminal import LiveTree, PlainLines, view


@pytest.fixture
def state() -> State:
    """An instance half-way, with a task of each kind."""

    def node(path: str, *children: dict[str, Any]) -> dict[str, Any]:
        return {"name": path.rpartition(".")[2], "path": path, "children": list(children)}

    return State(
        tree=[node("#.load"), node("#.measures", node("#.measures.rain"), node("#.measures.wind")), node("#.report")],
        tasks={
            "#.load": {"status": "ok", "duration": 1234},
            "#.measures": {"status": "running", "progress": 0.5, "progressText": "half [bold]way[/bold]"},
            "#.measures.rain": {"status": "skipped"},
            "#.measures.wind": {"status": "failed", "duration": 3, "error": {"message": "a calm day"}},
            "#.report": {"status": "inactive"},
        },
        status="working",
        error=None,
        seq=7,
        logs={"#.load": "1461 readings"},
    )


def shown(state: State, *, terminal: bool, width: int = 80) -> str:
    """What a console shows in the end, without colours."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=width, color_system=None)
    with view(console, "weather_report") as display:
        display.show(state, list(state.tasks))
    # It is drawn again by the clock, as often as there is time for it, over lines that are erased first.
    last = output.getvalue().rpartition("\x1b[2K")[2]
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", last)


class TestView:
    def test_a_terminal_gets_a_tree_with_bars(self, state: State) -> None:
        head, *lines = [line.rstrip() for line in shown(state, terminal=True).splitlines()]
        assert head.split()[0] == "weather_report"
        assert head.endswith("3 of 5 working")
        assert lines[0].startswith("├─ ✔ load")
        assert lines[0].endswith("1.23 s 1461 readings")
        assert lines[1].startswith("├─ ▸ measures")
        assert "━" in lines[1]
        assert lines[1].endswith("half [bold]way[/bold]")
        assert lines[2].startswith("│  ├─ ↷ rain")
        assert lines[3].startswith("│  └─ ✘ wind")
        assert lines[3].endswith("a calm day")
        assert lines[4] == "└─ · report"

    @pytest.mark.parametrize("width", [40, 60, 200])
    def test_it_fits_the_width(self, state: State, width: int) -> None:
        lines = shown(state, terminal=True, width=width).splitlines()
        assert len(lines) == 6
        assert max(map(len, lines)) <= width
        assert all(name in "".join(lines) for name in ("load", "measures", "rain", "wind", "report"))

    def test_a_pipe_gets_a_line_for_each_start_and_end(self, state: State) -> None:
        lines = [line.split(maxsplit=4) for line in shown(state, terminal=False).splitlines()]
        assert lines == [
            ["weather_report"],
            ["ok", "#.load", "1.23", "s", "1461 readings"],
            ["running", "#.measures", "half", "[bold]way[/bold]"],
            ["skipped", "#.measures.rain", "skipped"],
            ["failed", "#.measures.wind", "0.00", "s", "a calm day"],
        ]

    def test_a_line_is_not_repeated(self, state: State) -> None:
        output = io.StringIO()
        with view(Console(file=output, force_terminal=False), "x") as display:
            display.show(state, ["#.load"])
            display.show(state, ["#.load"])
        assert output.getvalue().count("#.load") == 1

    def test_a_terminal_that_cannot_move_gets_lines(self) -> None:
        dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
        assert isinstance(view(dumb, "x"), PlainLines)
        assert isinstance(view(Console(file=io.StringIO(), force_terminal=True), "x"), LiveTree)


class TestFollow:
    @pytest.fixture
    def jobs(self) -> Jobs:
        """Workflows in this process."""
        registry = Registry()
        tasks = [Task("first", lambda res, job: job.log("a line")), Task("second", lambda res: 1 / 0)]
        registry.register("two", lambda data: tasks)
        return Jobs(storage="memory://", backend="sync", registry=registry)

    def test_from_the_beginning_to_a_failure(self, jobs: Jobs) -> None:
        instance = jobs.create_workflow_instance("two")
        steps = follow(jobs.storage, instance, lambda: jobs.get_workflow(instance)["run"] or start())

        def start() -> None:
            jobs.execute_all_tasks(instance)

        states = [(state.status, dict(state.tasks), changed) for state, changed in steps]
        assert states[0][0] == "inactive"
        assert states[-1][0] == "failed"
        final = read(jobs.storage, instance)
        assert {path: task["status"] for path, task in final.tasks.items()} == {"#.first": "ok", "#.second": "failed"}
        assert final.error is not None
        assert final.error["path"] == "#.second"
        assert final.logs == {"#.first": "a line"}

    def test_what_the_check_raises_ends_it(self, jobs: Jobs) -> None:
        instance = jobs.create_workflow_instance("two")

        def check() -> None:
            raise DemoError("the worker has ended")

        with pytest.raises(DemoError, match="the worker has ended"):
            list(follow(jobs.storage, instance, check))

    def test_an_instance_that_is_not_there(self, jobs: Jobs) -> None:
        nothing: Callable[[], None] = lambda: None  # noqa: E731
        with pytest.raises(InstanceNotFound):
            list(follow(jobs.storage, "nothing", nothing))

    def test_events_change_only_what_they_name(self, state: State) -> None:
        event = {
            "tasks": {"#.report": {"status": "ok"}},
            "logs": {"#.report": {"from": 0, "lines": ["one", "two"]}},
            "instance": {"status": "done"},
        }
        assert state.apply(Event(8, event)) == ["#.report"]
        assert (state.seq, state.status, state.finished) == (8, "done", True)
        assert state.tasks["#.report"] == {"status": "ok"}
        assert state.logs == {"#.load": "1461 readings", "#.report": "two"}
