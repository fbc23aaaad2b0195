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
from jobs_flow_django.live.consumers import LiveConsumer

#: Close code for a path that leads nowhere.
NOT_FOUND = 4404


def _application(consumer: type[AsyncWebsocketConsumer]) -> Any:
    # Django's types know views only; the patterns of Channels lead to ASGI applications.
    return consumer.as_asgi()


#: For projects that write their own ``URLRouter``.
websocket_urlpatterns = [path(get_settings().WEBSOCKET_PATH, _application(LiveConsumer), name="jobs-flow")]


class NoSuchSocket(AsyncWebsocketConsumer):
    """Closes at once. Without a route, Channels would raise an error into the server's log."""

    channel_layer_alias = LiveConsumer.channel_layer_alias

    async def connect(self) -> None:
        """Refuse."""
        await self.close(NOT_FOUND)


def websocket_application(http_application: Any, urlpatterns: Sequence[Any]) -> ProtocolTypeRouter:
    """See ``jobs_flow_django.setup_websocket``."""
    routes = [*urlpatterns, *websocket_urlpatterns, re_path("", _application(NoSuchSocket))]
    sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
    return ProtocolTypeRouter({"http": http_application, "websocket": sockets})
