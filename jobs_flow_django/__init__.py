"""jobs-flow for Django: instances as rows, the admin, live progress over Channels.

``from jobs_flow_django import jobs`` gives the ``Jobs`` that the ``JOBS_FLOW`` setting describes. It
is built when it is first used, so it can be imported from anywhere, before the apps are ready too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jobs_flow_django.lazy import LazyJobs

if TYPE_CHECKING:
    from jobs_flow_django.facade import DjangoJobs
    from jobs_flow_django.live.routing import setup_websocket

    class _ConfiguredJobs(DjangoJobs, LazyJobs):
        pass


__all__ = ["jobs", "setup_websocket"]

jobs = cast("_ConfiguredJobs", LazyJobs())


def __getattr__(name: str) -> Any:
    # Channels is needed only by projects that use the sockets.
    if name == "setup_websocket":
        from jobs_flow_django.live.routing import setup_websocket

        return setup_websocket
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
