"""What a client may ask for: one class a request. ``live/parsing.py`` reads them from JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs_flow.storages.records import Json

#: Which tasks a resume runs.
MODES = ("failed", "failed_and_downstream", "all")
#: The whole instance.
ROOT = "#"
#: Lines of a log in one answer, when the request does not say.
LINES = 200

Ref = str | int | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell me what becomes of an instance; of what came after ``since`` only, where that can be told.

    ``logs``: whether log lines are wanted, or of which tasks. ``fold``: blocks of more tasks than this are
    folded; None: none is. ``ticket``: for those who are not signed in.
    """

    workflow_id: str
    since: int | None = None
    logs: bool | frozenset[str] = True
    fold: int | None = None
    ticket: str | None = field(default=None, repr=False)
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Unwatch:
    """No longer."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class SetWindow:
    """Show other tasks of a folded block of a watched instance: those from index ``start`` on."""

    workflow_id: str
    task_path: str
    start: int
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class SetVisibility:
    """Whether anybody looks; while nobody does, only answers are sent."""

    visible: bool
    ref: Ref = None
    #: It is about all that the socket watches.
    workflow_id: None = None


@dataclass(frozen=True, slots=True)
class GetTask:
    """Everything recorded of a task."""

    workflow_id: str
    task_path: str
    ticket: str | None = field(default=None, repr=False)
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class GetTaskLogs:
    """``limit`` lines of a task's log, from index ``start`` on; None: the last ones."""

    workflow_id: str
    task_path: str
    start: int | None = None
    limit: int = LINES
    ticket: str | None = field(default=None, repr=False)
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class ExecuteTask:
    """Run one task. ``argument`` holds it, or nothing: null is an argument like any other."""

    workflow_id: str
    task_path: str
    argument: tuple[()] | tuple[Json] = ()
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class ExecuteAll:
    """Run all tasks; ``argument`` goes to the first."""

    workflow_id: str
    argument: tuple[()] | tuple[Json] = ()
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Create:
    """Make an instance, the caller's own; with a ``key`` that one has already, that one is the answer."""

    workflow: str
    data: Json = None
    realm: str = ""
    name: str = ""
    key: str | None = None
    execute: bool = False
    ref: Ref = None
    #: There is none yet.
    workflow_id: None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Run again what has to be, by ``mode`` (``MODES``), or from ``task_path`` on; ``preview``: only say what."""

    workflow_id: str
    mode: str = MODES[0]
    task_path: str | None = None
    preview: bool = False
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the run, or what of it is at a path and below; with ``undo`` what is finished is undone."""

    workflow_id: str
    task_path: str = ROOT
    undo: bool = False
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Start no further task."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Unpause:
    """Start them again."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Put the tasks at a path and below back to ``inactive``."""

    workflow_id: str
    task_path: str = ROOT
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Destroy:
    """Remove the instance and all its records."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class SetUpdaters:
    """Replace the recorded context updaters of a task. Their own grammar is checked by ``Jobs``."""

    workflow_id: str
    task_path: str
    updaters: list[Json]
    ref: Ref = None


Request = (
    Watch
    | Unwatch
    | SetWindow
    | SetVisibility
    | GetTask
    | GetTaskLogs
    | ExecuteTask
    | ExecuteAll
    | Create
    | Resume
    | Cancel
    | Pause
    | Unpause
    | Reset
    | Destroy
    | SetUpdaters
)
