"""Where the sockets are, and the whole ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path, re_path

from jobs_flow_django.conf import get_settings
from jobs_flow_django.live.consumers import DIRECT_SEND, LiveConsumer

#: Close code for a path that leads nowhere.
NOT_FOUND = 4404


def _application(consumer: type[AsyncWebsocketConsumer]) -> Any:
    # Django's types know views only; the patterns of Channels lead to ASGI applications.
    return consumer.as_asgi()


def __getattr__(name: str) -> Any:
    """``websocket_urlpatterns``, for projects that write their own ``URLRouter``.

    Made when it is asked for: an import of this module reads no settings, which may be wrong.
    """
    if name == "websocket_urlpatterns":
        return _patterns()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _patterns() -> list[Any]:
    return [path(get_settings().WEBSOCKET_PATH, _application(LiveConsumer), name="jobs-flow")]


class NoSuchSocket(AsyncWebsocketConsumer):
    """Closes at once. Without a route, Channels would raise an error into the server's log."""

    channel_layer_alias = LiveConsumer.channel_layer_alias

    async def connect(self) -> None:
        """Refuse."""
        await self.close(NOT_FOUND)


def websocket_application(http_application: Any, urlpatterns: Sequence[Any]) -> ProtocolTypeRouter:
    """See ``jobs_flow_django.setup_websocket``."""
    routes = [*urlpatterns, *_patterns(), re_path("", _application(NoSuchSocket))]
    sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
    return ProtocolTypeRouter({"http": http_application, "websocket": _Direct(sockets)})


class _Direct:
    """Tells the application how to send past the middleware: that of sessions looks at each message, of which none
    that a socket sends concerns it, and takes a sixth of the time that sending one to a thousand sockets does.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return await self._application({**scope, DIRECT_SEND: send}, receive, send)
