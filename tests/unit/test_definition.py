"""Declaring tasks: both forms, and errors that name workflow and path (feature S5)."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from jobs_flow import Retry
from jobs_flow.errors import DefinitionError
from jobs_flow.workflows.definition import Task, Workflow


def work(res: Any) -> Any:
    return res


def parse(*forms: Any) -> Workflow:
    return Workflow.parse("report", list(forms))


class TestForms:
    def test_the_dict_form_is_the_same_task(self) -> None:
        declared = Task("a", work, dest="x", on_complete="done", subtasks=[Task("b", work)])
        written = {
            "name": "a",
            "task": work,
            "dest": "x",
            "on_complete": "done",
            "subtasks": [{"name": "b", "task": work}],
        }
        assert parse(declared) == parse(written)

    def test_the_readmes_other_spellings(self) -> None:
        form = {
            "name": "a",
            "execute": work,
            "onComplete": "done",
            "contextVar": "x",
            "contextVars": ["y"],
            "children": [{"name": "b", "execute": work}],
        }
        task = parse(form).tasks[0]
        assert (task.task, task.on_complete, task.dest, task.context_vars) == (work, "done", "x", ("y",))
        assert [child.name for child in task.subtasks] == ["b"]

    def test_fields_that_are_none_are_as_good_as_absent(self) -> None:
        assert parse({"name": "a", "task": work, "dest": None, "subtasks": None}) == parse(Task("a", work))

    def test_a_task_without_function_groups_its_subtasks(self) -> None:
        assert parse(Task("group", subtasks=[Task("b", work)])).tasks[0].task is None

    def test_an_existing_celery_task_brings_its_time_limits(self) -> None:
        app = Celery("definition", set_as_current=False)

        @app.task(time_limit=30, soft_time_limit=20, shared=False)
        def existing(x: Any) -> Any:
            return x

        task = parse(Task("a", existing), Task("b", existing, time_limit=5)).tasks
        assert [(t.time_limit, t.soft_time_limit) for t in task] == [(30, 20), (5, 20)]

    def test_retry_is_also_a_number_or_a_dict(self) -> None:
        forms: list[Any] = [Retry(max=2, on=ValueError), 2, {"max": 2, "neverOn": [KeyError]}, None]
        tasks = parse(*({"name": f"t{n}", "task": work, "retry": form} for n, form in enumerate(forms))).tasks
        expected = [Retry(2, on=(ValueError,)), Retry(2), Retry(2, never_on=(KeyError,)), None]
        assert [task.retry for task in tasks] == expected

    def test_patience_and_undo(self) -> None:
        app = Celery("definition", set_as_current=False)

        @app.task(shared=False)
        def takes_back(x: Any) -> Any:
            return x

        form = {"name": "a", "task": work, "timeout": 1.5, "queueTimeout": 60, "undo": takes_back}
        task = parse(form).tasks[0]
        assert (task.timeout, task.queue_timeout, task.undo) == (1.5, 60, takes_back)
        assert parse(Task("a", work, timeout=1.5, queue_timeout=60, undo=takes_back)) == parse(form)

    def test_walk_is_in_preorder(self) -> None:
        tree = parse(Task("a", work, subtasks=[Task("b", work, subtasks=[Task("c", work)])]), Task("d", work))
        assert [path for path, _ in tree.walk()] == ["#.a", "#.a.b", "#.a.b.c", "#.d"]


class TestErrors:
    @pytest.mark.parametrize(
        ("form", "path", "reason"),
        [
            pytest.param({"task": work}, "#", "needs a name", id="no name"),
            pytest.param({"name": "", "task": work}, "#", "needs a name", id="empty name"),
            pytest.param({"name": 3, "task": work}, "#", "is text, not int", id="a number as name"),
            pytest.param({"name": "a.b", "task": work}, "#", "'.' or '#'", id="a dot"),
            pytest.param({"name": "a#b", "task": work}, "#", "'.' or '#'", id="a hash"),
            pytest.param({"name": "a\n", "task": work}, "#", "control character", id="a line break"),
            pytest.param({"name": "a" * 101, "task": work}, "#", "the limit is 100", id="a long name"),
            pytest.param({"name": "a"}, "#.a", "neither a function nor subtasks", id="nothing to do"),
            pytest.param({"name": "a", "task": "work"}, "#.a", "cannot be called", id="text as function"),
            pytest.param({"name": "a", "task": work, "condition": True}, "#.a", "condition is bool", id="condition"),
            pytest.param({"name": "a", "task": work, "debug": 1}, "#.a", "debug is int", id="debug"),
            pytest.param({"name": "a", "task": work, "on_complete": 1}, "#.a", "on_complete is int", id="on_complete"),
            pytest.param({"name": "a", "task": work, "retries": 3}, "#", "unknown field 'retries'", id="unknown field"),
            pytest.param({"name": "a", "task": work, "execute": work}, "#", "repeats the field", id="twice"),
            pytest.param({"name": "a", "task": work, "dest": "log"}, "#.a", "member of the job handle", id="dest"),
            pytest.param({"name": "a", "task": work, "contextVars": "x"}, "#.a", "a list of names", id="context_vars"),
            pytest.param({"name": "a", "task": work, "on_failure": "retry"}, "#.a", "stop, continue", id="on_failure"),
            pytest.param({"name": "a", "task": work, "time_limit": "1"}, "#.a", "is a number", id="time_limit"),
            pytest.param({"name": "a", "task": work, "subtasks": {}}, "#.a", "tasks are a list", id="subtasks"),
            pytest.param({"name": "a", "task": work, "undo": "x"}, "#.a", "undo is str", id="undo"),
            pytest.param({"name": "a", "task": work, "timeout": 0}, "#.a", "timeout is a number of", id="timeout"),
            pytest.param({"name": "a", "task": work, "timeout": -1}, "#.a", "timeout is a number of", id="negative"),
            pytest.param({"name": "a", "task": work, "timeout": True}, "#.a", "not bool", id="timeout true"),
            pytest.param({"name": "a", "task": work, "timeout": float("inf")}, "#.a", "not inf", id="infinite"),
            pytest.param({"name": "a", "task": work, "queueTimeout": float("nan")}, "#.a", "queue_timeout", id="nan"),
            pytest.param({"name": "a", "task": work, "queue_timeout": "9"}, "#.a", "not str", id="queue_timeout"),
            pytest.param({"name": "a", "task": work, "retry": True}, "#.a", "retry is a Retry", id="retry true"),
            pytest.param({"name": "a", "task": work, "retry": -1}, "#.a", "retry: max is a whole", id="retry negative"),
            pytest.param({"name": "a", "task": work, "retry": {"on": 3}}, "#.a", "retry: on is", id="retry on"),
            pytest.param(Task("a", work, retry=Retry(jitter=2)), "#.a", "retry: jitter is a share", id="jitter"),
            pytest.param("load", "#", "a Task or a dict, not str", id="not a task"),
        ],
    )
    def test_a_wrong_task_names_its_path(self, form: Any, path: str, reason: str) -> None:
        with pytest.raises(DefinitionError) as wrong:
            parse(form)
        assert (wrong.value.workflow, wrong.value.path) == ("report", path)  # type: ignore[attr-defined]
        assert reason in str(wrong.value)
        assert "report" in str(wrong.value)

    def test_duplicate_siblings_name_the_parent(self) -> None:
        with pytest.raises(DefinitionError, match=r"at #\.a: two tasks are named 'b'"):
            parse(Task("a", work, subtasks=[Task("b", work), Task("b", work)]))

    def test_the_same_name_in_two_blocks_is_fine(self) -> None:
        parse(Task("a", work, subtasks=[Task("x", work)]), Task("b", work, subtasks=[Task("x", work)]))

    def test_an_asynchronous_generator_cannot_give_a_result(self) -> None:
        async def steps(res: Any) -> Any:
            yield 0.5

        with pytest.raises(DefinitionError, match="asynchronous generator"):
            parse(Task("a", steps))

        with pytest.raises(DefinitionError, match="undo is an asynchronous generator"):
            parse(Task("a", work, undo=steps))

    @pytest.mark.parametrize("tasks", [{}, "load", 3, b"x"])
    def test_tasks_that_are_no_list(self, tasks: Any) -> None:
        with pytest.raises(DefinitionError, match="tasks are a list"):
            Workflow.parse("report", tasks)
