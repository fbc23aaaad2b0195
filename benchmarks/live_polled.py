"""What pages that poll ask for, as celery-progress does it: the state that Celery's result backend has of a task."""

from __future__ import annotations

import os

from celery import Celery
from celery.result import AsyncResult
from django.http import HttpRequest, JsonResponse
from django.urls import path

#: Only its result backend is used.
app = Celery("polled", backend=os.environ.get("BENCHMARK_RESULTS", "redis://"), set_as_current=False)


def progress(request: HttpRequest, task_id: str) -> JsonResponse:
    """How far it is."""
    result = AsyncResult(task_id, app=app)
    info = result.info if isinstance(result.info, dict) else {"current": 0, "total": 1}
    percent = 100 * info["current"] / info["total"]
    return JsonResponse(
        {"state": result.state, "complete": result.ready(), "progress": {**info, "pending": False, "percent": percent}}
    )


urlpatterns = [path("progress/<str:task_id>/", progress)]
