"""jobs-flow for Django: instances as rows, the admin, live progress over Channels.

``from jobs_flow_django import jobs`` gives the ``Jobs`` that the ``JOBS_FLOW`` setting describes. It
is built when it is first used, so it can be imported from anywhere, before the apps are ready too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from jobs_flow.errors import ConfigurationError
from jobs_flow_django.lazy import LazyJobs

if TYPE_CHECKING:
    from channels.routing import ProtocolTypeRouter

    from jobs_flow_django.facade import DjangoJobs

    class _ConfiguredJobs(DjangoJobs, LazyJobs):
        pass


__all__ = ["jobs", "setup_websocket"]

jobs = cast("_ConfiguredJobs", LazyJobs())


def setup_websocket(http_application: Any, urlpatterns: Sequence[Any] = ()) -> ProtocolTypeRouter:
    """The ASGI application of a project: HTTP as it was, and the sockets.

    Sockets are only for pages of ``ALLOWED_HOSTS`` and know the user of the session. ``urlpatterns`` are
    the project's own sockets, if it has any. Raises ``ConfigurationError`` without channels, and where the
    ``JOBS_FLOW`` setting is wrong.
    """
    try:
        import channels  # noqa: F401 - for projects with sockets only
    except ImportError as error:
        reason = "sockets need channels, which is not installed: pip install jobs-flow[channels]"
        raise ConfigurationError(setting="ASGI_APPLICATION", reason=reason) from error
    # Imported now: this module is imported before the apps are ready.
    from jobs_flow_django.live.routing import websocket_application

    return websocket_application(http_application, urlpatterns)
