"""Six small workflows, one for each way that a task can behave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import sleep
from typing import Any, NamedTuple

from django.conf import settings

from jobs_flow import Failure, Job, Task, workflow


class Behaviour(NamedTuple):
    """A workflow of this module, as its page shows it."""

    slug: str
    title: str
    text: str

    @property
    def workflow(self) -> str:
        """The name it is registered under."""
        return f"behaviour_{self.slug}"


def rest(job: Job, *, steps: int = 4) -> None:
    """Take a little time, with progress, as long as the demo's pace asks."""
    for step in range(1, steps + 1):
        sleep(settings.DEMO_PACE)
        job.progress(step / steps, f"step {step} of {steps}")


@workflow("behaviour_ok")
def ok(data: Any) -> list[Task]:
    """Two tasks; the second gets what the first gives."""

    def first(res: Any, job: Job) -> int:
        rest(job)
        return 20

    def second(res: int, job: Job) -> int:
        rest(job)
        return res + 22

    return [
        Task("first", first, on_complete=lambda res: f"gives {res}"),
        Task("second", second, on_complete=lambda res: f"gives {res}"),
    ]


@workflow("behaviour_context")
def context(data: Any) -> list[Task]:
    """A result that stands under a name for all later tasks, and one whose members do."""

    def order(res: Any, job: Job) -> dict[str, Any]:
        rest(job)
        return {"customer": "Ada", "items": 3}

    def price(res: Mapping[str, Any], job: Job) -> float:
        rest(job)
        return 7.5

    def letter(res: float, job: Job) -> str:
        rest(job)
        return f"{job.customer}: {job.context['items']} items at {job.price}, {job.items * res} in all"

    return [
        Task("order", order, context_vars=["customer", "items"]),
        Task("price", price, dest="price"),
        Task("letter", letter),
    ]


@workflow("behaviour_skipped")
def skipped(data: Any) -> list[Task]:
    """A task whose condition is false: not called, and the next gets what it would have got."""

    def parcels(res: Any, job: Job) -> list[str]:
        rest(job)
        return ["small", "small"]

    def call_a_lorry(res: Any, job: Job) -> str:
        raise AssertionError("a task whose condition is false is not called")

    def deliver(res: list[str], job: Job) -> str:
        rest(job)
        return f"{len(res)} parcels by bicycle"

    return [
        Task("parcels", parcels),
        Task("lorry", call_a_lorry, condition=lambda res, job: "large" in res),
        Task("deliver", deliver),
    ]


@workflow("behaviour_failing")
def failing(data: Any) -> list[Task]:
    """A task that says no; what comes after it is left alone."""

    def reserve(res: Any, job: Job) -> None:
        rest(job)
        job.log("asking the shelf")
        raise Failure({"wanted": 1, "in stock": 0}, "There are no more umbrellas.")

    return [
        Task("order", lambda res: "umbrella"),
        Task("reserve", reserve),
        Task("send", lambda res: "sent"),
    ]


@workflow("behaviour_raising")
def raising(data: Any) -> list[Task]:
    """A task with a bug in it, and a coroutine: recorded like any other failure."""

    async def average(res: list[float]) -> float:
        return sum(res) / len(res)

    def measure(res: Any, job: Job) -> list[float]:
        rest(job)
        return []

    return [
        Task("measure", measure),
        Task("average", average),
        Task("publish", lambda res: res),
    ]


@workflow("behaviour_parallel")
def parallel(data: Any) -> list[Task]:
    """Three tasks at once after their parent, the second with two of its own; then one with all they gave."""

    def numbers(res: Any, job: Job) -> list[int]:
        rest(job, steps=2)
        return [3, 4, 5]

    def each(index: int, function: Callable[[int], int]) -> Callable[[Any, Job], int]:
        def one(res: Any, job: Job) -> int:
            rest(job)
            return function(int(job.numbers[index]))

        return one

    def total(res: Mapping[str, Any], job: Job) -> dict[str, Any]:
        rest(job, steps=2)
        return {"total": sum(_leaves(res)), "of": res}

    return [
        Task(
            "numbers",
            numbers,
            dest="numbers",
            subtasks=[
                Task("left", each(0, lambda n: n)),
                Task(
                    "middle",
                    each(1, lambda n: n),
                    subtasks=[Task("double", each(1, lambda n: n * 2)), Task("square", each(1, lambda n: n * n))],
                ),
                Task("right", each(2, lambda n: n)),
            ],
        ),
        Task("total", total),
    ]


def _leaves(value: Any) -> list[int]:
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    return [value]


BEHAVIOURS = tuple(
    Behaviour(function.__name__, function.__name__.capitalize(), (function.__doc__ or "").strip())
    for function in (ok, context, skipped, failing, raising, parallel)
)
