"""When a session ends, its sockets close: in this process at once, in others through the project's channel layer.

The layer is a convenience. Where there is none, where it holds for one process only, or while it is away, the sockets
of other processes find out by themselves when they are checked (``live/sessions.py``), and a logout never waits for it.
What travels is a keyed hash of the session's key, which is worth nothing to who reads it.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Protocol

from django.contrib.auth.signals import user_logged_out
from django.utils.crypto import salted_hmac

from jobs_flow.errors import ConfigurationError
from jobs_flow_django.live.announcing import LayerSender, find_layer
from jobs_flow_django.live.logs import log_unexpected

#: Group of the channel layer that one channel of each process is in.
GROUP = "jobs_flow.sessions"
#: Type of the messages in it.
MESSAGE_TYPE = "jobs_flow.session_ended"
#: Characters of a hash.
DIGEST_LENGTH = 64


class Listener(Protocol):
    """Wants to know of ends."""

    def session_ended(self, digest: str) -> None:
        """Called in any thread; returns at once."""


_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
_sender: LayerSender | None = None
_lock = threading.Lock()
#: Threads of a fork's parent, whose event loops are not the child's to close.
_parents: list[LayerSender] = []


def install() -> None:
    """Hear of logouts."""
    user_logged_out.connect(_on_logout, dispatch_uid="jobs_flow_django.live.logouts")


def listen(listener: Listener) -> None:
    """Tell ``listener`` of sessions that end in this process, as long as there is one."""
    with _lock:
        _listeners.add(listener)


def session_digest(key: str) -> str:
    """What stands for a session between processes."""
    return salted_hmac("jobs_flow_django.live.sessions", key, algorithm="sha256").hexdigest()


def end_session(key: str) -> None:
    """Close the sockets of a session, in all processes. For projects that end sessions by other means than logout."""
    digest = session_digest(key)
    with _lock:
        listeners = list(_listeners)
    for listener in listeners:
        listener.session_ended(digest)
    if shared_layer() is not None:
        _announce(digest)


def shared_layer() -> Any:
    """The project's channel layer where it reaches other processes, else None; raises nothing."""
    try:
        from channels.layers import InMemoryChannelLayer

        layer = find_layer()
    except (ImportError, ConfigurationError):
        return None
    except Exception as error:
        log_unexpected("the channel layer cannot be made", error)
        return None
    return None if isinstance(layer, InMemoryChannelLayer) else layer


def _on_logout(request: Any = None, **kwargs: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if not key:
        return
    try:
        end_session(key)
    except Exception as error:
        # Whatever is wrong here, the user must be able to leave.
        log_unexpected("the sockets of a session could not be closed", error)


def _announce(digest: str) -> None:
    """Have a thread tell the others."""
    global _sender
    item = GROUP, {"type": MESSAGE_TYPE, "session": digest}
    with _lock:
        if _sender is None or not _sender.hand_over(item):
            _sender = LayerSender("ends of sessions cannot be told to other processes")
            _sender.hand_over(item)


def _after_fork() -> None:
    global _sender, _lock
    _lock = threading.Lock()
    if _sender is not None:
        _parents.append(_sender)
        _sender = None


os.register_at_fork(after_in_child=_after_fork)
