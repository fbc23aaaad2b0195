"""What can be done with instances from the admin: each is confirmed first, permitted by ``authorize`` and logged."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobs_flow.arguments import MISSING
from jobs_flow.errors import InvalidArgument
from jobs_flow.starting import MODES
from jobs_flow.storages.records import Instance
from jobs_flow.workflows import paths
from jobs_flow.workflows.states import InstanceStatus
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance

#: What the modes of a resume are called.
MODE_LABELS = {
    "failed": gettext_lazy("What has not passed"),
    "failed_and_downstream": gettext_lazy("That and all that comes after it"),
    "all": gettext_lazy("Everything"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the reader chose on the page that asks for confirmation."""

    mode: str = MODES[0]
    #: A task; "": the whole instance.
    path: str = ""
    undo: bool = False
    #: JSON text; "": none was given.
    argument: str = ""
    #: JSON text; None: the form was not sent yet.
    updaters: str | None = None

    @classmethod
    def of(cls, query: QueryDict) -> Options:
        """From a form or a link; anything unknown is the default."""
        # The last one: a button for another mode comes after the field with the present one.
        mode = query.get("mode", "")
        return cls(
            mode if mode in MODES else MODES[0],
            query.get("path", ""),
            query.get("undo") == "yes",
            query.get("argument", "").strip(),
            query.get("updaters"),
        )

    @property
    def where(self) -> str:
        """The path that commands take."""
        return self.path or paths.ROOT


def _run(row: WorkflowInstance, options: Options) -> str:
    argument = given_json("argument", options.argument) if options.argument else MISSING
    if options.path:
        return _started(jobs.execute_one_task(row.pk, options.path, argument).run)
    return _started(jobs.execute_all_tasks(row.pk, argument).run)


def _resume(row: WorkflowInstance, options: Options) -> str:
    return _started(jobs.resume(row.pk, options.mode, path=options.path or None).run)


def _started(run: int | None) -> str:
    # No number yet: the project holds a transaction around each request.
    return _("Run %d started.") % run if run else _("A run starts.")


def _cancel(row: WorkflowInstance, options: Options) -> str:
    if not jobs.cancel(row.pk, options.where, undo=options.undo):
        return _("There was nothing to cancel.")
    return _("Cancelled; finished tasks will be undone.") if options.undo else _("Cancelled.")


def _pause(row: WorkflowInstance, options: Options) -> str:
    return _("Paused: no further task starts.") if jobs.pause(row.pk) else _("It was paused already.")


def _unpause(row: WorkflowInstance, options: Options) -> str:
    return _("No longer paused.") if jobs.unpause(row.pk) else _("It was not paused.")


def _reset(row: WorkflowInstance, options: Options) -> str:
    jobs.reset(row.pk, options.where)
    return _("Reset: %s.") % options.path if options.path else _("Reset.")


def _destroy(row: WorkflowInstance, options: Options) -> str:
    jobs.destroy_workflow(row.pk)
    return _("Destroyed.")


def _set_updaters(row: WorkflowInstance, options: Options) -> str:
    jobs.set_context_updaters(row.pk, options.path, given_json("updaters", options.updaters or ""))
    return _("Saved. Later tasks see the context that they give.")


def given_json(name: str, text: str) -> Any:
    """The value of a JSON text that the reader has typed. Raises ``InvalidArgument``, which says where it is wrong."""

    def refuse(constant: str) -> NoReturn:
        raise InvalidArgument(argument=name, reason=_("%s is not JSON") % constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        reason = _("line %(line)d, column %(column)d is not JSON: %(reason)s") % where
        raise InvalidArgument(argument=name, reason=reason) from error
    except RecursionError as error:
        raise InvalidArgument(argument=name, reason=_("it is nested too deeply")) from error


@dataclass(frozen=True)
class Command:
    """One thing to do."""

    #: In URLs, and the name of the list's action.
    name: str
    #: What ``authorize`` is asked for.
    action: str
    label: Any
    #: What the page says that will happen.
    meaning: Any
    perform: Callable[[WorkflowInstance, Options], str]
    #: Instances of which it makes sense: by their header.
    applies: Callable[[Instance], bool] = lambda header: True
    #: Which of ``Options`` it takes.
    takes: Collection[str] = ()
    dangerous: bool = False
    #: What it is called on a task; "": as on an instance.
    task_label: Any = ""
    task_meaning: Any = ""
    #: Whether it is for a task only.
    of_task: bool = False
    #: What ``authorize`` is asked for besides.
    also: Collection[str] = ()

    def actions(self) -> tuple[str, ...]:
        """All that ``authorize`` is asked for."""
        return (self.action, *self.also)


def _working(header: Instance) -> bool:
    return header.status == InstanceStatus.WORKING


def _resumable(header: Instance) -> bool:
    return not _working(header) and header.run > 0 and header.status != InstanceStatus.DONE


def _cancellable(header: Instance) -> bool:
    return _working(header) and paths.ROOT not in header.cancelled


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "run",
            "execute",
            gettext_lazy("Run all"),
            gettext_lazy("A new run of all tasks, from the first. What they gave before stays as an earlier attempt."),
            _run,
            lambda header: not _working(header),
            ("path", "argument"),
            task_label=gettext_lazy("Run this task"),
            task_meaning=gettext_lazy("A new run of this task only, with what ran before it."),
        ),
        Command(
            "resume",
            "resume",
            gettext_lazy("Resume"),
            gettext_lazy("A new run of the tasks below. The results of all others stay as they are."),
            _resume,
            _resumable,
            ("mode", "path"),
            task_label=gettext_lazy("Resume from here"),
        ),
        Command(
            "cancel",
            "cancel",
            gettext_lazy("Cancel"),
            gettext_lazy("Queued tasks will not start. Running ones are asked to stop."),
            _cancel,
            _cancellable,
            ("undo", "path"),
            dangerous=True,
            task_label=gettext_lazy("Cancel from here"),
        ),
        Command(
            "pause",
            "cancel",
            gettext_lazy("Pause"),
            gettext_lazy("Running tasks go on to their end; no further one starts."),
            _pause,
            lambda header: _working(header) and not header.paused,
        ),
        Command(
            "unpause",
            "resume",
            gettext_lazy("Unpause"),
            gettext_lazy("Tasks start again."),
            _unpause,
            lambda header: header.paused,
        ),
        Command(
            "reset",
            "execute",
            gettext_lazy("Reset"),
            gettext_lazy(
                "Tasks are inactive again, as before the first run. What they gave stays as an earlier attempt."
            ),
            _reset,
            lambda header: not _working(header) and header.run > 0,
            ("path",),
            dangerous=True,
            task_label=gettext_lazy("Reset from here"),
        ),
        Command(
            "updaters",
            "update",
            gettext_lazy("Context updaters"),
            gettext_lazy(
                "What this task has recorded to be changed in the context of all later tasks, a list in JSON. What has"
                " run already is not run again: resume from a later task for that."
            ),
            _set_updaters,
            takes=("path", "updaters"),
            of_task=True,
            also=("view_payload",),
        ),
        Command(
            "destroy",
            "destroy",
            gettext_lazy("Destroy"),
            gettext_lazy("The instance is removed with all its records, results and logs. This cannot be undone."),
            _destroy,
            dangerous=True,
        ),
    )
}


def subject(rows: Collection[WorkflowInstance]) -> str:
    """What a command is about, for headings and buttons."""
    return ngettext("%d instance", "%d instances", len(rows)) % len(rows)
