"""Small workflows for the tests of the Django app, and a way to configure ``jobs`` for one test."""

from __future__ import annotations

from typing import Any

from jobs_flow import Job, Task, workflow

#: Text that does harm wherever it is taken for markup.
HOSTILE = "</script></pre><img src=x onerror=\"document.title='stolen'\">'&amp;"
#: The same as the name of a task, which may hold neither '.' nor '#'.
HOSTILE_NAME = "<script>alert('1')</script>\"&amp;"


@workflow("flow_tree")
def tree(data: Any) -> list[Task]:
    """Load, two months side by side, report; ``data`` with "fail" makes the second month fail."""

    def rain(res: Any, job: Job) -> int:
        job.log("counting drops")
        if isinstance(data, dict) and data.get("fail"):
            raise ValueError("a secret number is not a number")
        return 7

    return [
        Task("load", lambda res: {"secret": "hidden-result"}, dest="readings", description="Reads the readings"),
        Task("split", lambda res: res, subtasks=[Task("january", lambda res: 3), Task("february", rain)]),
        Task("report", lambda res: {"months": res}),
    ]


@workflow("flow_hostile")
def hostile(data: Any) -> list[Task]:
    """Names, descriptions, results, logs and errors are markup; ``data`` is a traceback's text."""

    def say(res: Any, job: Job) -> str:
        job.log(HOSTILE)
        return HOSTILE

    def fail(res: Any) -> None:
        raise ValueError(HOSTILE)

    return [Task(HOSTILE_NAME, say, description=HOSTILE), Task("after", fail)]


@workflow("flow_wide")
def wide(data: Any) -> list[Task]:
    """A block of ``data["width"]`` tasks, of which ``data["failing"]`` fail."""

    def one(number: int) -> Task:
        def item(res: Any) -> int:
            if number in data.get("failing", ()):
                raise ValueError(f"number {number}")
            return number

        return Task(f"item-{number:04}", item)

    return [Task("scan", lambda res: None, subtasks=[one(number) for number in range(data["width"])])]
