"""The three views: requests, the snapshot of an instance, its events."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.http.request import UnreadablePostError

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.api import sse
from jobs_flow_django.api.answers import NeedsAsgi, NeedsConnection, WrongContentType, answer, problem
from jobs_flow_django.api.doors import check_csrf, door, scope_of
from jobs_flow_django.conf import get_settings
from jobs_flow_django.live import access, commands, protocol, threads
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.errors import MalformedMessage, MessageTooLarge, NotAuthenticated, ProtocolError
from jobs_flow_django.live.limits import allowance_of
from jobs_flow_django.live.parsing import parse
from jobs_flow_django.live.requests import GetTask, GetTaskLogs, Request, SetVisibility, SetWindow, Unwatch, Watch
from jobs_flow_django.tickets import read_ticket


@door("POST")
async def requests(request: HttpRequest) -> HttpResponseBase:
    """One request of the protocol, one answer."""
    scope = await scope_of(request)
    if request.content_type != "application/json":
        raise WrongContentType()
    if not access.is_anonymous(scope):
        await check_csrf(request)
    known = None if access.is_anonymous(scope) else allowance_of(scope)
    if known is not None:
        known.take_request()
    asked: Request | None = None
    try:
        asked = parse(_text(request), get_settings().SOCKET_MESSAGE_BYTES)
        if isinstance(asked, Watch | Unwatch | SetWindow | SetVisibility):
            raise NeedsConnection()
        if known is None:
            _count_holder(scope, asked)
        else:
            known.take_start(asked)
        return answer(await commands.perform(asked, scope))
    except ProtocolError as error:
        return problem(error, ref=error.ref)
    except JobsFlowError as error:
        if asked is None:
            raise
        return problem(error, ref=asked.ref, instance_id=asked.workflow_id)


async def _look(request: HttpRequest, instance_id: str) -> tuple[dict[str, Any], Watch, bool]:
    """Who wants to see what, counted and permitted, and whether results too; raises unless they may."""
    scope = await scope_of(request)
    asked = _watch_of(request, instance_id)
    if access.is_anonymous(scope):
        _count_holder(scope, asked)
    else:
        allowance_of(scope).take_request()
    return scope, asked, await access.permit(scope, "view", asked.workflow_id, ticket=asked.ticket)


def _count_holder(scope: Scope, asked: Request) -> None:
    """Count a request of the holder of a ticket. One without is refused before: it must not use up what those have
    who have one, all of an instance together.
    """
    if not isinstance(asked, Watch | GetTask | GetTaskLogs) or asked.ticket is None:
        raise NotAuthenticated()
    read_ticket(asked.ticket, asked.workflow_id)
    allowance_of(scope, asked.workflow_id).take_request()


def _text(request: HttpRequest) -> str:
    limit = get_settings().SOCKET_MESSAGE_BYTES
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            raise MessageTooLarge(limit=limit)
        return request.body.decode()
    except RequestDataTooBig:
        raise MessageTooLarge(limit=limit) from None
    except UnicodeDecodeError:
        raise MalformedMessage(reason="it is not UTF-8") from None
    except (ValueError, UnreadablePostError):
        raise MalformedMessage(reason="it could not be read") from None


@door("GET")
async def instance(request: HttpRequest, instance_id: str) -> HttpResponseBase:
    """An instance as of now: its header, its tree, its tasks."""
    _, asked, payload = await _look(request, instance_id)
    # Encoding included: an instance may have many tasks.
    return await threads.read(_snapshot_answer, asked.workflow_id, payload=payload)


def _snapshot_answer(instance_id: str, *, payload: bool) -> HttpResponseBase:
    return answer(protocol.instance_snapshot(instance_id, jobs.snapshot(instance_id), payload=payload))


@door("GET")
async def events(request: HttpRequest, instance_id: str) -> HttpResponseBase:
    """What becomes of an instance, as server-sent events."""
    if not isinstance(request, ASGIRequest):
        raise NeedsAsgi()
    scope, asked, payload = await _look(request, instance_id)
    await sse.release_connections()
    content = await sse.begun(sse.stream(scope, asked, payload=payload))
    return StreamingHttpResponse(content, content_type="text/event-stream", headers=sse.HEADERS)


def _watch_of(request: HttpRequest, instance_id: str) -> Watch:
    """The query of a request as the watch that it stands for; raises ``ProtocolError``."""
    data: dict[str, Any] = {"type": "watchWorkflowInstance", "workflowId": instance_id}
    query = request.GET
    for name in ("since", "fold"):
        if query.get(name):
            data[name] = _number(name, query[name])
    if query.get("ticket"):
        data["ticket"] = query["ticket"]
    if "logs" in query:
        data["logs"] = _logs(query)
    last = request.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdigit():
        # The address says where the page began; this, where it is.
        data["since"] = _number("Last-Event-ID", last)
    watch = parse(json.dumps(data))
    assert isinstance(watch, Watch)
    return watch


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise MalformedMessage(reason=f"{name} is not a number")
    return int(text)


def _logs(query: QueryDict) -> bool | list[str]:
    """``logs=0`` for none, ``logs=1`` for all, ``logs=#.a&logs=#.b`` for those of some tasks."""
    given = query.getlist("logs")
    flags = {"0": False, "false": False, "1": True, "true": True, "": True}
    return flags[given[0]] if len(given) == 1 and given[0] in flags else given
