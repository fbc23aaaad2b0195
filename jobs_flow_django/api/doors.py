"""What every view of the HTTP door has: who asks, whether the request is forged, errors as JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from jobs_flow.errors import JobsFlowError
from jobs_flow_django.api.answers import CsrfFailed, MethodNotAllowed, problem
from jobs_flow_django.live.errors import InternalError
from jobs_flow_django.live.logs import log_unexpected

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]


def door(method: str) -> Callable[[View[P]], View[P]]:
    """A view for one method that answers errors as JSON.

    It checks for itself who may come in: ``LoginRequiredMiddleware`` would send programs to a login page, and those
    who have a ticket need no login. It runs in no transaction of the request.
    """

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        async def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                if request.method != method:
                    response = problem(MethodNotAllowed(allowed=method))
                    response.headers["Allow"] = method
                    return response
                return await view(request, *args, **kwargs)
            except JobsFlowError as error:
                return problem(error)
            except Exception as error:
                log_unexpected("a request over HTTP could not be answered", error)
                return problem(InternalError())

        made = csrf_exempt(login_not_required(cast("View[P]", guarded)))
        for alias in connections:
            # Of any database: Django refuses to put an asynchronous view into a transaction.
            made = transaction.non_atomic_requests(using=alias)(made)
        return made

    return decorate


async def scope_of(request: HttpRequest) -> dict[str, Any]:
    """The caller as ``live.access`` wants it."""
    user = getattr(request, "user", None)
    if user is not None:
        await _look_up(user)
    return {"type": "http", "user": user, "session": getattr(request, "session", None), "tickets": {}}


@sync_to_async
def _look_up(user: Any) -> None:
    # A lazy one is read from the database now.
    bool(user.is_authenticated)


@sync_to_async
def check_csrf(request: HttpRequest) -> None:
    """Raise ``CsrfFailed`` where the page of another site may have sent the request with the user's cookies."""
    check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]
    check.process_request(request)
    reason = check.process_view(request, None, (), {})  # type: ignore[arg-type]
    if reason is not None:
        raise CsrfFailed(reason=str(reason))


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, that answers with a page of HTML by itself."""

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason
