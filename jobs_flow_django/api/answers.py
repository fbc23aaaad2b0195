"""Answers over HTTP: always JSON, never cached, the status says what the code of an error means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import JsonResponse

from jobs_flow.errors import JobsFlowError
from jobs_flow_django.live import protocol
from jobs_flow_django.live.errors import TooManyRequests
from jobs_flow_django.live.protocol import Ref

#: HTTP status by code of an error; those that are not here are faults of the server.
STATUS = {
    "MALFORMED_MESSAGE": 400,
    "UNKNOWN_MESSAGE_TYPE": 400,
    "NEEDS_CONNECTION": 400,
    "INVALID_ARGUMENT": 400,
    "INVALID_DEFINITION": 400,
    "INVALID_PATH": 400,
    "INVALID_UPDATER": 400,
    "NOT_JSON": 400,
    "NOT_AUTHENTICATED": 401,
    "INVALID_TICKET": 401,
    "TICKET_EXPIRED": 401,
    "FORBIDDEN": 403,
    "CSRF_FAILED": 403,
    "CANNOT_FIND_TASK": 404,
    "INSTANCE_NOT_FOUND": 404,
    "UNKNOWN_WORKFLOW": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CANNOT_START_TASK": 409,
    "DEFINITION_CHANGED": 409,
    "INSTANCE_BUSY": 409,
    "INSTANCE_EXISTS": 409,
    "NOT_WATCHED": 409,
    "BODY_LOST": 410,
    "CANVAS_TOO_LARGE": 413,
    "MESSAGE_TOO_LARGE": 413,
    "TOO_LARGE": 413,
    "WRONG_CONTENT_TYPE": 415,
    "TOO_MANY_REQUESTS": 429,
    "TOO_MANY_SOCKETS": 429,
    "TOO_MANY_WATCHES": 429,
    "NEEDS_ASGI": 501,
    "BROKER_UNAVAILABLE": 503,
    "STORAGE_UNAVAILABLE": 503,
    "WAIT_TIMEOUT": 504,
}


def answer(message: Any, status: int = 200) -> JsonResponse:
    """A message as a response."""
    # ASCII, so that half a surrogate pair in somebody's result cannot make text that is no UTF-8.
    options = {"separators": (",", ":"), "ensure_ascii": True}
    return JsonResponse(message, status=status, json_dumps_params=options, headers={"Cache-Control": "no-store"})


def problem(error: JobsFlowError, *, ref: Ref = None, instance_id: str | None = None) -> JsonResponse:
    """What is wrong, as ``appError``."""
    response = answer(protocol.app_error(error, ref=ref, instance_id=instance_id), STATUS.get(error.code, 500))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


class NeedsConnection(JobsFlowError):
    """The request is about a connection: send it over a WebSocket, or read the stream of events of the instance."""

    code = "NEEDS_CONNECTION"


class NeedsAsgi(JobsFlowError):
    """A stream of events needs an ASGI server. Read the snapshot of the instance now and then instead.

    Under WSGI every reader would hold a worker for as long as it reads.
    """

    code = "NEEDS_ASGI"


class CsrfFailed(JobsFlowError):
    """The request does not come from a page of this site: {reason} Send the CSRF token as X-CSRFToken."""

    code = "CSRF_FAILED"

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class WrongContentType(JobsFlowError):
    """Requests are JSON: send them as application/json."""

    code = "WRONG_CONTENT_TYPE"


class MethodNotAllowed(JobsFlowError):
    """Here is {allowed} only."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, *, allowed: Sequence[str] | str) -> None:
        super().__init__(allowed=allowed)
