"""What can be done with instances from the admin: each is confirmed first, permitted by ``authorize`` and logged."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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

    @classmethod
    def of(cls, query: QueryDict) -> Options:
        """From a form or a link; anything unknown is the default."""
        # The last one: a button for another mode comes after the field with the present one.
        mode = query.get("mode", "")
        return cls(mode if mode in MODES else MODES[0], query.get("path", ""), query.get("undo") == "yes")

    @property
    def where(self) -> str:
        """The path that commands take."""
        return self.path or paths.ROOT


def _resume(row: WorkflowInstance, options: Options) -> str:
    handle = jobs.resume(row.pk, options.mode, path=options.path or None)
    # No number yet: the project holds a transaction around each request.
    return _("Run %d started.") % handle.run if handle.run else _("A run starts.")


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
            "resume",
            "resume",
            gettext_lazy("Resume"),
            gettext_lazy("A new run of the tasks below. The results of all others stay as they are."),
            _resume,
            _resumable,
            ("mode", "path"),
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
        ),
        Command(
            "pause",
            "cancel",
            gettext_lazy("Pause"),
            gettext_lazy("Running tasks go on to their end; no further one starts."),
            _pause,
            lambda header: not header.paused and header.status not in (InstanceStatus.DONE, InstanceStatus.CANCELLED),
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
