"""Every error this package raises: a stable ``code``, typed attributes, a message a user can act on.

The first line of a class's docstring is its message, filled with the error's own attributes; so the
documentation and the message cannot drift apart. ``to_wire()`` is what sockets and HTTP send: it is
never an empty object and never carries a traceback.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class JobsFlowError(Exception):
    """Something in jobs-flow went wrong.

    Subclasses name their attributes in ``__init__`` and mention them in the first line of their
    docstring as ``{attribute}``. ``code`` is part of the public contract and never changes.
    """

    code: ClassVar[str] = "JOBS_FLOW_ERROR"

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)
        self._attributes = attributes
        super().__init__(self._render())

    def _render(self) -> str:
        first_line = inspect.cleandoc(type(self).__doc__ or "").split("\n\n", 1)[0].replace("\n", " ")
        return first_line.format(**self._attributes) if self._attributes else first_line

    @property
    def message(self) -> str:
        """The sentence shown to users."""
        return str(self)

    def to_wire(self) -> dict[str, Any]:
        """``{"type": code, "payload": {"message": …, attributes that are JSON scalars, in camelCase}}``."""
        payload: dict[str, Any] = {"message": self.message}
        for name, value in self._attributes.items():
            if value is None or isinstance(value, str | int | float | bool):
                payload[_camel(name)] = value
        return {"type": self.code, "payload": payload}

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not survive the default pickling that process pools use.
        return _rebuild, (type(self), self._attributes)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _rebuild(cls: type[JobsFlowError], attributes: dict[str, Any]) -> JobsFlowError:
    return cls(**attributes)


class ConfigurationError(JobsFlowError):
    """The jobs-flow setting {setting} is wrong: {reason}"""

    code = "CONFIGURATION_ERROR"
    setting: str
    reason: str

    def __init__(self, *, setting: str, reason: str) -> None:
        super().__init__(setting=setting, reason=reason)


class DefinitionError(JobsFlowError):
    """Workflow {workflow!r} is not well formed at {path}: {reason}"""

    code = "INVALID_DEFINITION"
    reason: str

    def __init__(self, *, workflow: str, path: str, reason: str) -> None:
        super().__init__(workflow=workflow, path=path, reason=reason)


class DefinitionChanged(JobsFlowError):
    """The code of workflow {workflow!r} no longer gives the tree that instance {instance_id} was made with: {path} differs. Deploy the code it was made with, or move the instance to this code with update_workflow(), which may leave all as it is."""

    code = "DEFINITION_CHANGED"
    path: str

    def __init__(self, *, workflow: str, instance_id: str, path: str) -> None:
        super().__init__(workflow=workflow, instance_id=instance_id, path=path)


class InvalidPath(JobsFlowError):
    """{path!r} is not a task path: {reason}. A path is '#' or '#.name.name'."""

    code = "INVALID_PATH"

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(path=path, reason=reason)


class UnknownWorkflow(JobsFlowError):
    """No workflow is registered under the name {workflow!r}. Known names: {known}."""

    code = "UNKNOWN_WORKFLOW"

    def __init__(self, *, workflow: str, known: str = "none") -> None:
        super().__init__(workflow=workflow, known=known)


class InvalidArgument(JobsFlowError):
    """The argument {argument!r} is wrong: {reason}"""

    code = "INVALID_ARGUMENT"

    def __init__(self, *, argument: str, reason: str) -> None:
        super().__init__(argument=argument, reason=reason)


class NotJson(JobsFlowError):
    """{where} is {type_name}, which JSON cannot hold."""

    code = "NOT_JSON"
    where: str
    type_name: str

    def __init__(self, *, where: str, type_name: str) -> None:
        super().__init__(where=where, type_name=type_name)


class TooLarge(JobsFlowError):
    """{where} is {size} bytes of JSON, over the limit of {limit}. Keep such data elsewhere and hand on where it is."""

    code = "TOO_LARGE"

    def __init__(self, *, where: str, size: int, limit: int) -> None:
        super().__init__(where=where, size=size, limit=limit)


class BodyLost(JobsFlowError):
    """The large value {name} of instance {instance_id} cannot be given: {reason}. Run the task that made it again."""

    code = "BODY_LOST"

    def __init__(self, *, instance_id: str, name: str, reason: str) -> None:
        super().__init__(instance_id=instance_id, name=name, reason=reason)


class InstanceNotFound(JobsFlowError):
    """There is no workflow instance {instance_id!r}."""

    code = "INSTANCE_NOT_FOUND"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class InstanceExists(JobsFlowError):
    """A workflow instance {instance_id!r} exists already."""

    code = "INSTANCE_EXISTS"
    instance_id: str

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class InstanceBusy(JobsFlowError):
    """Instance {instance_id} is working, so {action} has to wait. Cancel it first, or wait until it has ended."""

    code = "INSTANCE_BUSY"

    def __init__(self, *, instance_id: str, action: str) -> None:
        super().__init__(instance_id=instance_id, action=action)


class TaskNotFound(JobsFlowError):
    """Instance {instance_id} of workflow {workflow!r} has no task {path!r}."""

    code = "CANNOT_FIND_TASK"

    def __init__(self, *, instance_id: str, workflow: str, path: str) -> None:
        super().__init__(instance_id=instance_id, workflow=workflow, path=path)


class CannotStart(JobsFlowError):
    """Task {path} of instance {instance_id} cannot start: {reason}"""

    code = "CANNOT_START_TASK"

    def __init__(self, *, instance_id: str, path: str, reason: str, blocking: str | None = None) -> None:
        super().__init__(instance_id=instance_id, path=path, reason=reason, blocking=blocking)

    def _render(self) -> str:
        text = super()._render()
        return text.replace("Task # of instance", "Instance", 1) if self._attributes["path"] == "#" else text


class ExecutionFailed(JobsFlowError):
    """Task {path} of instance {instance_id} failed: {reason}

    ``payload`` is the recorded failure, ``{"code", "message", …}``.
    """

    code = "EXECUTION_FAILED"

    def __init__(
        self, message: str = "", *, instance_id: str = "", path: str = "#", reason: str = "", payload: Any = None
    ) -> None:
        # Celery's result backends rebuild an exception from its message alone.
        self._given = message
        super().__init__(instance_id=instance_id, path=path, reason=reason or message, payload=payload)

    def _render(self) -> str:
        return self._given or super()._render()


class SchedulerError(JobsFlowError):
    """The scheduler could not do its work: {reason}"""

    code = "SCHEDULER_ERROR"

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class BrokerUnavailable(JobsFlowError):
    """The Celery broker cannot be reached, so nothing was started: {reason}. Start the broker and run the instance again."""

    code = "BROKER_UNAVAILABLE"

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class CannotPublish(JobsFlowError):
    """The message of a task could not be published: {reason}. Check the queue it names and Celery's settings."""

    code = "CANNOT_PUBLISH"

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class StorageUnavailable(JobsFlowError):
    """The storage {storage} cannot be reached: {reason}"""

    code = "STORAGE_UNAVAILABLE"
    storage: str

    def __init__(self, *, storage: str, reason: str) -> None:
        super().__init__(storage=storage, reason=reason)


class CanvasTooLarge(JobsFlowError):
    """Instance {instance_id} as one Celery canvas would put {size} bytes on the broker, over the limit of {limit}. Use execute_all_tasks(), whose messages stay small at any size."""

    code = "CANVAS_TOO_LARGE"

    def __init__(self, *, instance_id: str, size: int, limit: int) -> None:
        super().__init__(instance_id=instance_id, size=size, limit=limit)


class ResultBackendRequired(JobsFlowError):
    """Instance {instance_id} has parallel blocks, and a Celery chord needs a result backend: set CELERY_RESULT_BACKEND, or use execute_all_tasks(), which needs none."""

    code = "RESULT_BACKEND_REQUIRED"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class WaitTimeout(JobsFlowError, TimeoutError):
    """Instance {instance_id} did not end within {timeout} s; it is {status}, with {queued} tasks queued and {running} running. Queued tasks wait for a worker that consumes their queue."""

    code = "WAIT_TIMEOUT"

    def __init__(
        self,
        *,
        instance_id: str,
        timeout: float,
        status: str,
        queued: int = 0,
        running: int = 0,
        paused: bool = False,
    ) -> None:
        counts = {"queued": queued, "running": running, "paused": paused}
        super().__init__(instance_id=instance_id, timeout=timeout, status=status, **counts)

    def _render(self) -> str:
        text = super()._render()
        if not self._attributes["paused"]:
            return text
        return f"{text.partition(' Queued tasks')[0]} It is paused: unpause() lets it go on."


class InvalidUpdater(JobsFlowError):
    """The updater is wrong at {where}: {reason}"""

    code = "INVALID_UPDATER"
    where: str
    reason: str

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(where=where, reason=reason)


def kind_of(error: BaseException) -> str:
    """What may be logged of an error: its message may hold users' data, unless it is about a server or a setting."""
    if isinstance(error, BrokerUnavailable | CannotPublish | ConfigurationError | StorageUnavailable):
        return f"{error.code} ({error.message})"
    return error.code if isinstance(error, JobsFlowError) else type(error).__name__
