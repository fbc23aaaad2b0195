"""May they still? Asked for many connections at once, in a few queries.

The same rules as for a request (``live/access.py``), which reads one session, one user and one instance; here they are
read together, each once however many connections share it. What a project made itself, a session engine or an
authentication backend of its own, is asked one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends import db as database_sessions
from django.utils import timezone

from jobs_flow_django.live import access
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.errors import NotAuthenticated
from jobs_flow_django.models import WorkflowInstance


@dataclass(frozen=True, slots=True)
class Question:
    """What one connection watches."""

    scope: Scope
    instance_ids: Sequence[str]


#: What may still be watched, each with whether results may be seen; or why nothing may; or what went wrong.
Answer = dict[str, bool] | Exception


def review_now(questions: Sequence[Question]) -> list[Answer]:
    """An answer for each question; raises only what the database raises."""
    users = _read_users([question.scope for question in questions])
    wanted = {instance_id for question in questions for instance_id in question.instance_ids}
    # Those of others are not asked about: no query for connections that watch nothing.
    instances = WorkflowInstance.objects.without_payload().in_bulk(list(wanted)) if wanted else {}
    return [_answer(question, user, instances) for question, user in zip(questions, users, strict=True)]


#: Not in the thread that all requests share: a slow database would hold them up.
review = database_sync_to_async(review_now, thread_sensitive=False)


def _answer(question: Question, user: AbstractBaseUser | None, instances: Mapping[str, WorkflowInstance]) -> Answer:
    if user is None and not access.is_anonymous(question.scope):
        return NotAuthenticated()
    ids = question.instance_ids
    try:
        return access.what_is_visible(question.scope, user, {id: instances[id] for id in ids if id in instances})
    except Exception as error:  # of the project's own hook: nobody else is to suffer for it
        return error


def _read_users(scopes: Sequence[Scope]) -> list[AbstractBaseUser | None]:
    """Who is behind each connection now: active users; None for those who are nobody, or no longer anybody."""
    keys = [None if access.is_anonymous(scope) else access.session_key(scope) for scope in scopes]
    sessions = _read_sessions({key for key in keys if key is not None})
    # Without a session: signed in by other means, which are the business of who put the user there.
    model_backend = ""
    claims: list[tuple[str, Any] | None] = []
    for scope, key in zip(scopes, keys, strict=True):
        if access.is_anonymous(scope):
            claims.append(None)
        elif key is None:
            claims.append((model_backend, scope["user"].pk))
        else:
            claims.append(access.claimed_by(sessions[key]))
    known = _read_claimed({claim for claim in claims if claim is not None})
    users: list[AbstractBaseUser | None] = []
    for key, claim in zip(keys, claims, strict=True):
        user = None if claim is None else known.get(claim)
        valid = user is not None and user.is_active and (key is None or access.is_signed_for(sessions[key], user))
        users.append(user if valid else None)
    return users


def _read_sessions(keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Stored sessions by key; those that are over are empty."""
    store: type[Any] = import_module(settings.SESSION_ENGINE).SessionStore
    if not _is_plain(store, database_sessions.SessionStore, "load", "_get_session_from_db", "decode"):
        return {key: dict(store(key).items()) for key in keys}
    found: dict[str, Mapping[str, Any]] = {key: {} for key in keys}
    decode = store().decode
    rows = store.get_model_class().objects.filter(session_key__in=list(found), expire_date__gt=timezone.now())
    for key, text in rows.values_list("session_key", "session_data") if found else ():
        found[key] = decode(text)
    return found


def _read_claimed(claims: set[tuple[str, Any]]) -> dict[tuple[str, Any], AbstractBaseUser | None]:
    """Users by backend and primary key; one object a user, which remembers what it may."""
    found: dict[tuple[str, Any], AbstractBaseUser | None] = {}
    by_backend: dict[str, set[Any]] = {}
    for path, key in claims:
        by_backend.setdefault(path, set()).add(key)
    for path, keys in by_backend.items():
        backend: Any = load_backend(path) if path else None
        if backend is not None and not _is_plain(type(backend), ModelBackend, "get_user"):
            found.update({(path, key): backend.get_user(key) for key in keys})
            continue
        users: Mapping[Any, Any] = get_user_model()._default_manager.in_bulk(list(keys))
        for key, user in users.items():
            if backend is None or backend.user_can_authenticate(user):
                found[path, key] = user
    return found


def _is_plain(kind: type[Any], base: type[Any], *methods: str) -> bool:
    """Whether a class does these as Django's own does."""
    return issubclass(kind, base) and all(getattr(kind, name) is getattr(base, name) for name in methods)
