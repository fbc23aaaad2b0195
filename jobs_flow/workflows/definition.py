"""What a user declares: ``Task``, ``Workflow``, or the same in the readmes' dict form (feature S5)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from jobs_flow.errors import DefinitionError
from jobs_flow.workflows import paths
from jobs_flow.workflows.retention import Keep
from jobs_flow.workflows.retry import Retry, check_seconds

#: Other spellings in the dict form; the readmes' names and their snake_case.
ALIASES = {
    "execute": "task",
    "children": "subtasks",
    "onComplete": "on_complete",
    "contextVar": "dest",
    "context_var": "dest",
    "contextVars": "context_vars",
    "onFailure": "on_failure",
    "timeLimit": "time_limit",
    "softTimeLimit": "soft_time_limit",
    "queueTimeout": "queue_timeout",
}

#: Options handed to Celery with the message of a task.
CELERY_OPTIONS = ("queue", "priority", "time_limit", "soft_time_limit")
#: Those that an existing Celery task has as attributes; its queue is a matter of ``task_routes``.
INHERITED_OPTIONS = ("priority", "time_limit", "soft_time_limit")

#: Longest name of a queue, as brokers have it.
MAX_QUEUE = 255

#: What happens to the flow when a task fails.
ON_FAILURE = ("stop", "continue")

#: Members of the job handle, which a ``dest`` would hide from ``job.<dest>``.
RESERVED_NAMES = frozenset(
    {
        *("context", "previous_context", "workflow_id", "path", "run", "attempt"),
        *("log", "progress", "update_context", "cancelled", "heartbeat", "save_instance"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The optional fields of a task."""

    #: Shown beside the name.
    description: str = ""
    #: ``fn(res)`` or ``fn(res, job)``; false: the task is recorded as skipped and not called.
    condition: Callable[..., Any] | None = None
    #: ``fn(res, context)`` after the task; whatever it raises is logged and forgotten.
    debug: Callable[..., Any] | None = None
    #: Text, or ``fn(res)`` giving text, for the task's log when it is ok.
    on_complete: Callable[..., Any] | str | None = None
    #: Run in parallel after the task.
    subtasks: Sequence[Task] = ()
    #: Name under which the task's own result stands in the context of its subtasks and later tasks.
    dest: str | None = None
    #: Members of the result (a dict) that are copied into that context.
    context_vars: Sequence[str] = ()
    #: ``stop`` or ``continue``.
    on_failure: str = "stop"
    #: Celery's: the queue, the priority, and the time limits in seconds.
    queue: str | None = None
    priority: int | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    #: When it is tried again after a failure. What ``Retry.parse`` takes is accepted: a number, a dict.
    retry: Retry | None = None
    #: Seconds that a run of the function may take; more is a failure ``TIMEOUT``.
    timeout: float | None = None
    #: Seconds that the task may wait for a worker; more is a failure ``QUEUE_TIMEOUT``.
    queue_timeout: float | None = None
    #: ``fn(res)`` or ``fn(res, job)``, ``res`` the task's own result: takes back what the task did.
    undo: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Task(_Options):
    """One task of a workflow: a name, the function that does it, and options.

    ``task`` is called ``fn(res)`` or ``fn(res, job)``: a plain function, a coroutine function, a
    generator function that yields its progress, or an existing Celery task. It may be left out when
    there are subtasks: the task then hands on what it was given.
    """

    name: str
    task: Callable[..., Any] | None = None

    @property
    def fills_context(self) -> bool:
        """Whether it puts something into the context of later tasks."""
        return self.dest is not None or bool(self.context_vars)

    @classmethod
    def parse(cls, form: Task | Mapping[str, Any], *, workflow: str, path: str) -> Task:
        """A checked task from a ``Task`` or from the dict form, subtasks included.

        ``path`` is that of the parent. Raises ``DefinitionError`` naming workflow and path.
        """

        def wrong(reason: str, at: str = path) -> DefinitionError:
            return DefinitionError(workflow=workflow, path=at, reason=reason)

        if isinstance(form, Mapping):
            form = _from_mapping(form, wrong)
        elif not isinstance(form, Task):
            raise wrong(f"a task is a Task or a dict, not {type(form).__name__}")
        if reason := paths.check_name(form.name):
            raise wrong(reason)
        own = paths.join(path, form.name)
        if reason := paths.check_length(own):
            raise wrong(f"the path of {form.name!r} is too long: {reason}")
        _check(form, lambda reason: wrong(reason, own))
        subtasks = parse_tasks(form.subtasks, workflow=workflow, path=own)
        if form.task is None and not subtasks:
            raise wrong("it has neither a function nor subtasks", own)
        retry = None if form.retry is None else Retry.parse(form.retry)
        checked = replace(form, subtasks=subtasks, context_vars=tuple(form.context_vars), retry=retry)
        for name in INHERITED_OPTIONS:
            # An existing Celery task brings its own options along.
            inherited = getattr(form.task, name, None)
            if getattr(form, name) is None and isinstance(inherited, str | int | float):
                object.__setattr__(checked, name, inherited)
        return checked


#: The positional spelling ``Task("load", load, dest="x")`` puts name and function first.
_FIELDS = {f.name for f in fields(Task)}


def _from_mapping(form: Mapping[str, Any], wrong: Callable[[str], DefinitionError]) -> Task:
    values: dict[str, Any] = {}
    for key, value in form.items():
        name = ALIASES.get(key, key)
        if name not in _FIELDS:
            raise wrong(f"unknown field {key!r}; a task has {', '.join(sorted(_FIELDS))}")
        if name in values:
            raise wrong(f"{key!r} repeats the field {name!r}")
        if value is not None:
            values[name] = value
    if "name" not in values:
        raise wrong("a task needs a name")
    return Task(**values)


def _check(task: Task, wrong: Callable[[str], DefinitionError]) -> None:
    for name in ("task", "condition", "debug", "undo"):
        function = getattr(task, name)
        if function is not None and not callable(function):
            raise wrong(f"{name} is {type(function).__name__}, which cannot be called")
    if task.on_complete is not None and not (callable(task.on_complete) or isinstance(task.on_complete, str)):
        raise wrong(f"on_complete is {type(task.on_complete).__name__}; it is text or a function")
    if inspect.isasyncgenfunction(task.task):
        raise wrong("an asynchronous generator cannot return a result; use a coroutine and job.progress()")
    if inspect.isasyncgenfunction(task.undo):
        raise wrong("undo is an asynchronous generator; use a coroutine")
    if isinstance(task.context_vars, str) or not all(isinstance(v, str) for v in task.context_vars):
        raise wrong("context_vars is a list of names")
    members: list[Any] = [member for member in (task.dest, *task.context_vars) if member is not None]
    for member in members:
        if not isinstance(member, str) or not member or not member.isprintable():
            raise wrong(f"dest is a name, not {member!r}")
        if member in RESERVED_NAMES:
            raise wrong(f"dest {member!r} is a member of the job handle; choose another name")
    if task.on_failure not in ON_FAILURE:
        raise wrong(f"on_failure is one of {', '.join(ON_FAILURE)}, not {task.on_failure!r}")
    if not isinstance(task.description, str):
        raise wrong("description is text")
    queue: Any = task.queue
    if queue is not None and not (isinstance(queue, str) and 0 < len(queue) <= MAX_QUEUE):
        raise wrong(f"queue is a queue's name of at most {MAX_QUEUE} characters")
    for name in ("priority", "time_limit", "soft_time_limit"):
        number = getattr(task, name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise wrong(f"{name} is a number, not {type(number).__name__}")
    for name in ("timeout", "queue_timeout"):
        seconds = getattr(task, name)
        if seconds is not None and (reason := check_seconds(seconds)):
            raise wrong(f"{name} {reason}")
    if task.retry is not None:
        try:
            Retry.parse(task.retry)
        except ValueError as error:
            raise wrong(str(error)) from None


def parse_tasks(forms: Any, *, workflow: str, path: str = paths.ROOT) -> tuple[Task, ...]:
    """The checked tasks of one level. Raises ``DefinitionError``."""
    if forms is None:
        return ()
    if isinstance(forms, Workflow):
        forms = forms.tasks
    if isinstance(forms, str | bytes | Mapping) or not isinstance(forms, Iterable):
        raise DefinitionError(workflow=workflow, path=path, reason=f"tasks are a list, not {type(forms).__name__}")
    tasks = tuple(Task.parse(form, workflow=workflow, path=path) for form in forms)
    seen: set[str] = set()
    for task in tasks:
        if task.name in seen:
            raise DefinitionError(workflow=workflow, path=path, reason=f"two tasks are named {task.name!r}")
        seen.add(task.name)
    return tasks


@dataclass(frozen=True, slots=True)
class Workflow:
    """A checked tree of tasks: what a generator gave for one value of data."""

    name: str
    tasks: Sequence[Task] = field(default_factory=tuple)
    #: For how long its instances are kept after their run. Counts where the workflow is registered, and only there.
    keep: Keep = None

    @classmethod
    def parse(cls, name: str, forms: Any) -> Workflow:
        """The workflow that a generator's answer declares. Raises ``DefinitionError``."""
        if forms is None:
            reason = "the generator gave no tasks; does it lack a return?"
            raise DefinitionError(workflow=name, path=paths.ROOT, reason=reason)
        if isinstance(forms, Workflow) and forms.keep is not None:
            # Recovery asks for it without building the tree of each instance, and the tree may be of changed code.
            reason = "a generator does not say keep; give it where the workflow is registered: @workflow(name, keep=…)"
            raise DefinitionError(workflow=name, path=paths.ROOT, reason=reason)
        return cls(name, parse_tasks(forms, workflow=name))

    def walk(self) -> Iterator[tuple[str, Task]]:
        """``(path, task)`` in pre-order, nested tasks included (feature S17)."""
        stack = [(paths.join(paths.ROOT, task.name), task) for task in reversed(self.tasks)]
        while stack:
            path, task = stack.pop()
            yield path, task
            stack.extend((paths.join(path, child.name), child) for child in reversed(task.subtasks))
