"""What the page shows of one task: its whole record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows.states import TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.admin.formats import VALUE_LIMIT, duration_text, pretty_json, printable, time_tag
from jobs_flow_django.admin.timeline import waited
from jobs_flow_django.index import from_milliseconds

#: Log lines shown; a task keeps more of them.
LOG_LINES = 500
#: Characters shown of a value that is too long for a record.
BEGINNING = 4_000
#: Earlier attempts shown.
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Payload:
    """A value of the user's."""

    label: str
    text: str
    #: Shown at once, not folded.
    open: bool = False
    #: What it is called in a record, when ``text`` is not all of it and the whole can be fetched.
    fetch: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One earlier execution of the task."""

    label: str
    status: str
    started: SafeString | str
    took: str
    worker: str
    error: str
    body: str
    logs: list[str]


@dataclass(slots=True)
class TaskDetail:
    """One task, for the template."""

    path: str
    status: str = ""
    description: str = ""
    facts: list[tuple[str, SafeString | str]] = field(default_factory=list)
    error_code: str = ""
    error_message: str = ""
    payloads: list[Payload] = field(default_factory=list)
    traceback: str = ""
    logs: list[str] = field(default_factory=list)
    log_count: int = 0
    #: Latest first.
    attempts: list[Attempt] = field(default_factory=list)
    attempts_left_out: int = 0
    #: Why there is nothing else.
    problem: str = ""

    @classmethod
    def read(cls, snapshot: Snapshot, path: str, *, payload: bool, stale: str | None = None) -> TaskDetail:
        """The task at ``path``; without ``payload``, what everybody may see of it.

        ``stale``: a task before it that was executed later.
        """
        instance_id = snapshot.instance.id
        record = snapshot.tasks[path]
        logs: list[str] = []
        try:
            attempts = jobs.storage.get_attempts(instance_id, path)
            if payload:
                record = jobs.get_task(instance_id, path, whole=False)
                logs = jobs.storage.get_logs(instance_id, [path], last=LOG_LINES).get(path, [])
        except JobsFlowError as trouble:
            return cls(path, problem=printable(trouble.message))
        error = record.get("error") or {}
        return cls(
            path=path,
            status=str(record["status"]),
            description=_description(snapshot.tree, path),
            facts=_facts(record, snapshot.instance.run, stale),
            error_code=printable(error.get("code") or ""),
            error_message=printable(error.get("message") or "") if payload else "",
            payloads=_payloads(instance_id, record) if payload else [],
            traceback=printable(record.get("traceback") or "") if payload else "",
            logs=[printable(line) for line in logs],
            log_count=record.get("logCount") or 0,
            may_log=payload and record["status"] in (TaskStatus.QUEUED, TaskStatus.RUNNING),
            attempts=[_attempt(attempt, payload) for attempt in attempts[: -ATTEMPTS - 1 : -1]],
            attempts_left_out=max(0, len(attempts) - ATTEMPTS),
        )

    #: Whether the reader may see lines and there may be some soon: where they appear one by one.
    may_log: bool = False

    @property
    def logs_left_out(self) -> int:
        """Lines that are recorded and not shown."""
        return max(0, self.log_count - len(self.logs))


def _facts(record: dict[str, Any], run: int, stale: str | None) -> list[tuple[str, SafeString | str]]:
    attempt = record.get("attempt") or 0
    its_run = record.get("run") or 0
    size = None if _repeats_error(record) else record.get("bodySize")
    shown: list[tuple[str, SafeString | str]] = [
        (_("Started"), time_tag(from_milliseconds(record.get("executionTime")))),
        (_("Waited"), duration_text(waited(record))),
        (_("Ran"), duration_text(record.get("duration"))),
        (_("Attempt"), str(attempt) if attempt > 1 else ""),
        (_("Run"), _("%d, not the latest") % its_run if 0 < its_run < run else ""),
        (_("Retries"), str(record.get("retries") or "")),
        (_("Lost workers"), str(record.get("losses") or "")),
        (_("Next try"), time_tag(from_milliseconds(record.get("retryAt")))),
        (_("Undo"), str(_UNDO.get(record.get("undo") or "", ""))),
        (_("Not undone because"), printable((record.get("undoError") or {}).get("message") or "")),
        (_("Stale"), _("%s was executed after it") % printable(stale) if stale else ""),
        (_("Worker"), printable(record.get("worker") or "")),
        (_("Result size"), filesizeformat(size) if size is not None else ""),
    ]
    return [(label, value) for label, value in shown if value]


def _attempt(attempt: dict[str, Any], payload: bool) -> Attempt:
    error = attempt.get("error") or {}
    kind = printable(error.get("code") or "")
    tells = payload and attempt.get("body") is not None and not _repeats_error(attempt)
    return Attempt(
        label=_("Run %(run)s, attempt %(attempt)s") % {"run": attempt["run"], "attempt": attempt["attempt"]},
        status=str(attempt["status"]),
        started=time_tag(from_milliseconds(attempt.get("executionTime"))),
        took=duration_text(attempt.get("duration")),
        worker=printable(attempt.get("worker") or ""),
        error=": ".join(filter(None, (kind, printable(error.get("message") or "") if payload else ""))),
        body=pretty_json(attempt["body"]) if tells else "",
        logs=[printable(line) for line in attempt.get("logs") or ()] if payload else [],
    )


def again_text(record: Mapping[str, Any]) -> str:
    """When a failed task is tried again; "" for one that waits for a worker only."""
    moment = from_milliseconds(record.get("retryAt"))
    if moment is None:
        return ""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return _("tried again at %s") % formats.date_format(local, "H:i:s")


_UNDO = {
    "queued": gettext_lazy("to be undone"),
    "running": gettext_lazy("being undone"),
    "ok": gettext_lazy("undone"),
    "failed": gettext_lazy("could not be undone"),
}


def _payloads(instance_id: str, record: dict[str, Any]) -> list[Payload]:
    """Results, arguments and contexts that the record holds; a null is a value like any other."""
    shown: list[Payload] = []
    if record.get("bodySize") is not None and not _repeats_error(record):
        shown.append(_payload(_("Result"), instance_id, record, "body", open=True))
    if record.get("executionTime") is not None:
        shown.append(_payload(_("Argument"), instance_id, record, "argument"))
        shown.append(_payload(_("Context"), instance_id, record, "context"))
    if record.get("updaters"):
        shown.append(_payload(_("Context updaters"), instance_id, record, "updaters"))
    return shown


def _repeats_error(record: Mapping[str, Any]) -> bool:
    """Whether the result of a failed task is its error's message, which is shown already."""
    error = record.get("error") or {}
    return bool(error) and record.get("body") == error.get("message")


def _payload(label: str, instance_id: str, record: dict[str, Any], name: str, *, open: bool = False) -> Payload:  # noqa: A002
    """One value; of a large one, which stands beside the record, only the beginning is read."""
    value = record.get(name)
    if not isinstance(value, Reference):
        text = pretty_json(value)
        return Payload(label, text, open, name if len(text) > VALUE_LIMIT else "")
    try:
        text = jobs.runtime.bodies.beginning(instance_id, value, BEGINNING)
    except JobsFlowError as trouble:
        return Payload(label, printable(trouble.message), open)
    size = filesizeformat(value.length)
    return Payload(label, f"{printable(text)}\n… {_('the beginning of %s') % size}", open, name)


def _description(tree: list[dict[str, Any]], path: str) -> str:
    stack = list(tree)
    while stack:
        node = stack.pop()
        if node["path"] == path:
            return printable(node["description"] or "")
        if path.startswith(node["path"] + "."):
            stack.extend(node["children"])
    return ""


def value_text(instance_id: str, path: str, name: str) -> str:
    """All of one value of a task, as JSON text. Raises as ``Jobs.get_value`` does."""
    return printable(json.dumps(jobs.get_value(instance_id, path, name), ensure_ascii=False))
