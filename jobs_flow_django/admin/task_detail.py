"""What the page shows of one task: its whole record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Snapshot
from jobs_flow_django import jobs
from jobs_flow_django.admin.formats import duration_text, pretty_json, printable, time_tag
from jobs_flow_django.admin.timeline import waited
from jobs_flow_django.index import from_milliseconds

#: Log lines shown; a task keeps more of them.
LOG_LINES = 500
#: Earlier attempts shown.
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Payload:
    """A value of the user's."""

    label: str
    text: str
    #: Shown at once, not folded.
    open: bool = False


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
                record = jobs.get_task(instance_id, path)
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
            payloads=_payloads(record) if payload else [],
            traceback=printable(record.get("traceback") or "") if payload else "",
            logs=[printable(line) for line in logs],
            log_count=record.get("logCount") or 0,
            attempts=[_attempt(attempt, payload) for attempt in attempts[: -ATTEMPTS - 1 : -1]],
            attempts_left_out=max(0, len(attempts) - ATTEMPTS),
        )

    @property
    def logs_left_out(self) -> int:
        """Lines that are recorded and not shown."""
        return max(0, self.log_count - len(self.logs))


def _facts(record: dict[str, Any], run: int, stale: str | None) -> list[tuple[str, SafeString | str]]:
    attempt = record.get("attempt") or 0
    its_run = record.get("run") or 0
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
        (_("Result size"), filesizeformat(record["bodySize"]) if record.get("bodySize") is not None else ""),
    ]
    return [(label, value) for label, value in shown if value]


def _attempt(attempt: dict[str, Any], payload: bool) -> Attempt:
    error = attempt.get("error") or {}
    kind = printable(error.get("code") or "")
    return Attempt(
        label=_("Run %(run)s, attempt %(attempt)s") % {"run": attempt["run"], "attempt": attempt["attempt"]},
        status=str(attempt["status"]),
        started=time_tag(from_milliseconds(attempt.get("executionTime"))),
        took=duration_text(attempt.get("duration")),
        worker=printable(attempt.get("worker") or ""),
        error=": ".join(filter(None, (kind, printable(error.get("message") or "") if payload else ""))),
        body=pretty_json(attempt["body"]) if payload and attempt.get("body") is not None else "",
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


def _payloads(record: dict[str, Any]) -> list[Payload]:
    """Results, arguments and contexts that the record holds; a null is a value like any other."""
    shown: list[Payload] = []
    if record.get("bodySize") is not None:
        shown.append(Payload(_("Result"), pretty_json(record.get("body")), open=True))
    if record.get("executionTime") is not None:
        shown.append(Payload(_("Argument"), pretty_json(record.get("argument"))))
        shown.append(Payload(_("Context"), pretty_json(record.get("context"))))
    if record.get("updaters"):
        shown.append(Payload(_("Context updaters"), pretty_json(record["updaters"])))
    return shown


def _description(tree: list[dict[str, Any]], path: str) -> str:
    stack = list(tree)
    while stack:
        node = stack.pop()
        if node["path"] == path:
            return printable(node["description"] or "")
        if path.startswith(node["path"] + "."):
            stack.extend(node["children"])
    return ""
