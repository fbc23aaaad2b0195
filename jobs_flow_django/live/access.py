"""Who is at the other end, and what they may do: asked again for every request.

A socket lives long. What was true of its user when it opened may not be true now, so nothing of that is
believed: the session and the user are read anew.

A connection is a mapping, the ``scope``: ``user`` and ``session`` as ``AuthMiddlewareStack`` and Django's middleware
put them there, and ``tickets``, a dict of the tickets that were shown on it, by instance id. Who is not signed in
may do what a ticket permits, and nothing else: ``JOBS_FLOW["AUTHORIZE"]`` is not asked about people without
name, nor about tickets, whose maker has decided already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from jobs_flow.errors import InstanceNotFound, InvalidArgument, JobsFlowError
from jobs_flow_django.live.errors import CannotCreate, Forbidden, NotAuthenticated
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize
from jobs_flow_django.tickets import InvalidTicket, Ticket, TicketExpired, read_ticket

Scope = Mapping[str, Any]

#: What a ticket permits; its holder sees results only where it says so.
TICKET_ACTIONS = frozenset({"view", "view_payload"})


@database_sync_to_async
def identify(scope: Scope) -> AbstractBaseUser:
    """The active user behind a connection as they are now; raises ``NotAuthenticated``."""
    return _user(scope)


def is_anonymous(scope: Scope) -> bool:
    """Whether nobody was signed in when the connection began: it needs a ticket for everything."""
    user = scope.get("user")
    return user is None or not user.is_authenticated


@database_sync_to_async
def permit(scope: Scope, action: str, instance_id: str, *, ticket: str | None = None) -> bool:
    """Raise unless the user may do ``action``, or a ticket permits it; whether they may see results too.

    ``ticket`` is one that comes with the request; it is remembered in ``scope["tickets"]``, where there is that.
    ``InstanceNotFound`` is also the answer to those who may not know that the instance exists;
    ``InvalidTicket`` and ``TicketExpired`` to those whom only the ticket could have let in.
    """
    user = None if is_anonymous(scope) else _user(scope)
    shown, refusal = _ticket(scope, instance_id, ticket)
    if user is None and (shown is None or action not in TICKET_ACTIONS):
        raise refusal or NotAuthenticated()
    instance = WorkflowInstance.objects.without_payload().filter(pk=instance_id).first()
    if instance is None:
        raise InstanceNotFound(instance_id=instance_id)
    payload = shown is not None and shown.payload
    if user is not None and authorize(user, action, instance):
        return payload or authorize(user, "view_payload", instance)
    if shown is not None and (action == "view" or (action == "view_payload" and payload)):
        return payload or (user is not None and authorize(user, "view_payload", instance))
    if shown is not None or (action != "view" and authorize(user, "view", instance)):
        raise Forbidden(instance_id=instance_id, action=action)
    raise refusal or InstanceNotFound(instance_id=instance_id)


def _ticket(scope: Scope, instance_id: str, text: str | None) -> tuple[Ticket | None, JobsFlowError | None]:
    """The valid ticket of a connection for an instance, or why it has none although one was shown."""
    tickets: MutableMapping[str, Ticket] = scope.get("tickets", {})
    refusal: JobsFlowError | None = None
    if text is not None:
        try:
            tickets[instance_id] = ticket = read_ticket(text, instance_id)
            return ticket, None
        except (InvalidTicket, TicketExpired) as error:
            refusal = error
    known = tickets.get(instance_id)
    if known is None:
        return None, refusal
    return (None, TicketExpired(instance_id=instance_id)) if known.is_expired else (known, None)


@database_sync_to_async
def permit_new(scope: Scope) -> AbstractBaseUser:
    """The user, who may create instances; raises unless they may."""
    user = _user(scope)
    if not authorize(user, "create"):
        raise CannotCreate()
    return user


@database_sync_to_async
def permit_key(scope: Scope, instance_id: str, *, execute: bool) -> None:
    """Raise if a key that the user gave belongs to an instance that they may not see, or (``execute``) not start."""
    instance = WorkflowInstance.objects.without_payload().filter(pk=instance_id).first()
    if instance is None:
        return
    user = _user(scope)
    if not authorize(user, "view", instance):
        raise InvalidArgument(argument="key", reason="another instance has it")
    # Who may create may have it started at once, whatever else they may do with what is theirs.
    if execute and instance.owner_id != user.pk and not authorize(user, "execute", instance):
        raise Forbidden(instance_id=instance_id, action="execute")


@database_sync_to_async
def visible(scope: Scope, instance_ids: Iterable[str]) -> dict[str, bool]:
    """Which of the instances may still be watched, each with whether results may be seen.

    Raises ``NotAuthenticated`` where somebody was signed in and no longer is.
    """
    user = None if is_anonymous(scope) else _user(scope)
    instances = WorkflowInstance.objects.without_payload().in_bulk(list(instance_ids))
    return what_is_visible(scope, user, instances)


def what_is_visible(
    scope: Scope, user: AbstractBaseUser | None, instances: Mapping[str, WorkflowInstance]
) -> dict[str, bool]:
    """As ``visible``, of these instances, for a user that was read just now."""
    seen: dict[str, bool] = {}
    for instance_id, instance in instances.items():
        ticket, _ = _ticket(scope, instance_id, None)
        if ticket is not None or (user is not None and authorize(user, "view", instance)):
            payload = ticket is not None and ticket.payload
            seen[instance_id] = payload or (user is not None and authorize(user, "view_payload", instance))
    return seen


def session_key(scope: Scope) -> str | None:
    """The key of the session that a connection's user is signed in with; None where it is by other means."""
    session = scope.get("session")
    if session is None or SESSION_KEY not in session:
        return None
    key: str | None = session.session_key
    return key


def _user(scope: Scope) -> AbstractBaseUser:
    if is_anonymous(scope):
        raise NotAuthenticated()
    session = scope.get("session")
    if session is not None and SESSION_KEY in session:
        user = _user_of(import_module(settings.SESSION_ENGINE).SessionStore(session.session_key))
    else:
        # Signed in by other means, a token say: those are the business of who put the user there.
        user = get_user_model()._default_manager.filter(pk=scope["user"].pk).first()
    if user is None or not user.is_active:
        raise NotAuthenticated()
    return user


def _user_of(session: SessionBase) -> AbstractBaseUser | None:
    """The user of a stored session; None when it is over, or made void by a new password.

    As ``django.contrib.auth.get_user``, which would change the session where its hash is an older one:
    a socket cannot send the browser the new cookie for it.
    """
    claim = claimed_by(session)
    if claim is None:
        return None
    backend, key = claim
    user: AbstractBaseUser | None = load_backend(backend).get_user(key)
    return user if user is not None and is_signed_for(session, user) else None


def claimed_by(session: Mapping[str, Any] | SessionBase) -> tuple[str, Any] | None:
    """Path of the authentication backend, and primary key, of the user that a stored session names."""
    backend = session.get(BACKEND_SESSION_KEY, "")
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    return backend, get_user_model()._meta.pk.to_python(session[SESSION_KEY])


def is_signed_for(session: Mapping[str, Any] | SessionBase, user: AbstractBaseUser) -> bool:
    """Whether a stored session was made with the password that the user has now."""
    signed = session.get(HASH_SESSION_KEY, "")
    valid = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(signed, each) for each in valid)
