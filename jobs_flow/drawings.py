"""The drawing part of the facade: pictures of workflows and of runs."""

from __future__ import annotations

import json
from collections.abc import Callable

from jobs_flow import aio
from jobs_flow.errors import DefinitionError, InstanceNotFound, InvalidArgument, UnknownWorkflow
from jobs_flow.queries import Queries
from jobs_flow.storages.records import Json
from jobs_flow.workflows import drawing
from jobs_flow.workflows.drawing import FORMATS


class Drawings(Queries):
    """What may be drawn. A picture shows no data, results, arguments, logs or messages of errors."""

    def draw(self, workflow: str, data: Json = None, *, format: str = "mermaid") -> str:  # noqa: A002 - as users say it
        """A workflow's tasks for ``data``, as ``mermaid`` text or as an ``svg`` file that stands by itself.

        Without data it is drawn for the ``example`` that it was registered with, if there is one.

        Raises ``UnknownWorkflow``, ``DefinitionError``, ``InvalidArgument``.
        """
        draw = _drawer(format)
        if data is None:
            data = next(iter(self.runtime.registry.examples(workflow)), None)
        return draw(self.describe(workflow, data), title=workflow)

    def draw_run(self, instance_id: str, *, format: str = "mermaid") -> str:  # noqa: A002 - as users say it
        """The tasks of an instance with their statuses as of one moment, as ``draw`` draws them.

        It needs no code of the workflow. Raises ``InstanceNotFound``, ``InvalidArgument``.
        """
        draw = _drawer(format)
        snapshot = self.snapshot(instance_id)
        header = snapshot.instance
        title = f"{header.name or header.workflow} ({header.status})"
        return draw(snapshot.tree, snapshot.tasks, title=title)

    def draw_any(self, subject: str, *, data: str | None = None, format: str = "mermaid") -> str:  # noqa: A002
        """``draw`` of the workflow of that name, else ``draw_run`` of the instance of that id; for command lines.

        ``data`` is JSON text, for a workflow only. Raises as they do; ``UnknownWorkflow`` when it is neither.
        """
        if data is not None or subject in self.runtime.registry.names():
            try:
                return self.draw(subject, _parsed(data), format=format)
            except DefinitionError as error:
                if data is not None or not error.reason.startswith("the generator raised"):
                    raise
                reason = (
                    f"{error.reason}. Say what data describes it: --data JSON, or @workflow({subject!r}, example=…)"
                )
                raise DefinitionError(workflow=subject, path="#", reason=reason) from error
        try:
            return self.draw_run(subject, format=format)
        except InstanceNotFound:
            known = ", ".join(self.runtime.registry.names()) or "none"
            raise UnknownWorkflow(workflow=subject, known=f"{known}; nor is it the id of an instance") from None

    adraw = aio.twin(draw)
    adraw_run = aio.twin(draw_run)


def _drawer(format: str) -> Callable[..., str]:  # noqa: A002 - as users say it
    if format not in FORMATS:
        raise InvalidArgument(argument="format", reason=f"it is one of {', '.join(FORMATS)}, not {format!r}")
    return drawing.svg if format == "svg" else drawing.mermaid


def _parsed(data: str | None) -> Json:
    if data is None:
        return None
    try:
        return json.loads(data)
    except ValueError as error:
        raise InvalidArgument(argument="data", reason=f"it is not JSON: {error}") from None
