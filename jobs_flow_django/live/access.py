"""Who is at the other end, and what they may do: asked again for every request.

A socket lives long. What was true of its user when it opened may not be true now, so nothing of that is
believed: the session and the user are read anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from jobs_flow.errors import InstanceNotFound, InvalidArgument
from jobs_flow_django.live.errors import CannotCreate, Forbidden, NotAuthenticated
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

Scope = Mapping[str, Any]


@database_sync_to_async
def identify(scope: Scope) -> AbstractBaseUser:
    """The active user behind a connection as they are now; raises ``NotAuthenticated``."""
    return _user(scope)


@database_sync_to_async
def permit(scope: Scope, action: str, instance_id: str) -> bool:
    """Raise unless the user may do ``action``; whether they may see results too.

    ``InstanceNotFound`` is also the answer to those who may not know that the instance exists.
    """
    user = _user(scope)
    instance = WorkflowInstance.objects.without_payload().filter(pk=instance_id).first()
    if instance is None:
        raise InstanceNotFound(instance_id=instance_id)
    if not authorize(user, action, instance):
        if action != "view" and authorize(user, "view", instance):
            raise Forbidden(instance_id=instance_id, action=action)
        raise InstanceNotFound(instance_id=instance_id)
    return authorize(user, "view_payload", instance)


@database_sync_to_async
def permit_new(scope: Scope) -> AbstractBaseUser:
    """The user, who may create instances; raises unless they may."""
    user = _user(scope)
    if not authorize(user, "create"):
        raise CannotCreate()
    return user


@database_sync_to_async
def permit_key(scope: Scope, instance_id: str) -> None:
    """Raise if a key that the user gave belongs to an instance that they may not see."""
    instance = WorkflowInstance.objects.without_payload().filter(pk=instance_id).first()
    if instance is not None and not authorize(_user(scope), "view", instance):
        raise InvalidArgument(argument="key", reason="another instance has it")


@database_sync_to_async
def visible(scope: Scope, instance_ids: Iterable[str]) -> dict[str, bool]:
    """Which of the instances the user may still watch, each with whether they may see results."""
    user = _user(scope)
    instances = WorkflowInstance.objects.without_payload().in_bulk(list(instance_ids)).values()
    return {i.pk: authorize(user, "view_payload", i) for i in instances if authorize(user, "view", i)}


def _user(scope: Scope) -> AbstractBaseUser:
    known = scope.get("user")
    if known is None or not known.is_authenticated:
        raise NotAuthenticated()
    session = scope.get("session")
    if session is not None and SESSION_KEY in session:
        user = _user_of(import_module(settings.SESSION_ENGINE).SessionStore(session.session_key))
    else:
        # Signed in by other means, a token say: those are the business of who put the user there.
        user = get_user_model()._default_manager.filter(pk=known.pk).first()
    if user is None or not user.is_active:
        raise NotAuthenticated()
    return user


def _user_of(session: SessionBase) -> AbstractBaseUser | None:
    """The user of a stored session; None when it is over, or made void by a new password.

    As ``django.contrib.auth.get_user``, which would change the session where its hash is an older one:
    a socket cannot send the browser the new cookie for it.
    """
    backend = session.get(BACKEND_SESSION_KEY, "")
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    key = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    user: AbstractBaseUser | None = load_backend(backend).get_user(key)
    if user is None:
        return None
    signed = session.get(HASH_SESSION_KEY, "")
    valid = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(constant_time_compare(signed, each) for each in valid) else None
