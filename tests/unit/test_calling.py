"""Calling what users wrote, whatever it takes (feature S34)."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from celery import Celery

from jobs_flow.backends.calling import call


async def coroutine(res: Any, job: Any) -> Any:
    return res, job


class Callee:
    def __call__(self, res: Any) -> Any:
        return res


class Unhashable(Callee):
    __hash__ = None  # type: ignore[assignment]


app = Celery("calling", set_as_current=False)


@app.task
def plain_task(res: Any) -> Any:
    return res


@app.task(bind=True)
def bound_task(self: Any, res: Any) -> Any:
    return self.name, res


@pytest.mark.parametrize(
    ("function", "result"),
    [
        pytest.param(lambda: "nothing", "nothing", id="nothing"),
        pytest.param(lambda res: res, 1, id="res"),
        pytest.param(lambda anything: anything, 1, id="res by another name"),
        pytest.param(lambda res, job: (res, job), (1, "job"), id="both"),
        pytest.param(lambda job: job, "job", id="job alone"),
        pytest.param(lambda res, *, job: (res, job), (1, "job"), id="job by keyword"),
        pytest.param(lambda res, job=None: (res, job), (1, "job"), id="job with a default"),
        pytest.param(lambda res, factor=3: (res, factor), (1, 3), id="a default of its own"),
        pytest.param(lambda *args: args, (1, "job"), id="any"),
        pytest.param(lambda res, a=2, b=3: (res, a, b), (1, 2, 3), id="several defaults"),
        pytest.param(functools.partial(lambda a, res: (a, res), 0), (0, 1), id="partial"),
        pytest.param(coroutine, (1, "job"), id="coroutine"),
        pytest.param(Callee(), 1, id="object"),
        pytest.param(Unhashable(), 1, id="unhashable object"),
        pytest.param(str, "1", id="class"),
        pytest.param(plain_task, 1, id="Celery task"),
        pytest.param(bound_task, (f"{__name__}.bound_task", 1), id="bound Celery task"),
    ],
)
def test_a_function_gets_as_much_as_it_takes(function: Any, result: Any) -> None:
    assert call(function, 1, "job") == result
