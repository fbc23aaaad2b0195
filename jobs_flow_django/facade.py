"""``Jobs`` as Django projects use it: configured by settings, its instances are rows with owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from celery import _state
from celery.app.utils import find_app

from jobs_flow import aio
from jobs_flow.errors import ConfigurationError
from jobs_flow.jobs import Jobs
from jobs_flow.storages.records import Json
from jobs_flow_django import index
from jobs_flow_django.bodies import DjangoBodyStore
from jobs_flow_django.conf import get_settings, key_name
from jobs_flow_django.signals import relay_hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery


class DjangoJobs(Jobs):
    """``Jobs`` whose instances may have an owner and whose coroutines use Django's connections."""

    def create_workflow_instance(
        self,
        workflow: str,
        data: Json = None,
        *,
        realm: str = "",
        name: str = "",
        key: str | None = None,
        base_context: Mapping[str, Json] | None = None,
        ephemeral: bool = False,
        execute: bool = False,
        owner: Any = None,
    ) -> str:
        """As ``Jobs.create_workflow_instance``; ``owner`` is the user who may see and run the instance.

        None and an anonymous user own nothing: then only permissions let anybody in.
        """
        with index.owned_by(owner):
            return super().create_workflow_instance(
                workflow,
                data,
                realm=realm,
                name=name,
                key=key,
                base_context=base_context,
                ephemeral=ephemeral,
                execute=execute,
            )

    # It takes an owner more than the inherited one.
    acreate_workflow_instance = aio.twin(create_workflow_instance)  # type: ignore[arg-type]

    async def _in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # The thread of the request, so that queries run on its connection and inside its transaction.
        return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)


def build_jobs() -> DjangoJobs:
    """The ``Jobs`` that the settings describe; connects to nothing."""
    settings = get_settings()
    app: Celery | None = None
    if settings.BACKEND == "celery":
        app = find_celery_app()
        if app is None:
            raise ConfigurationError(
                setting=key_name("CELERY_APP"),
                reason="there is no Celery app. Import the project's one in its __init__.py, or name it here.",
            )
    bodies = None if settings.BODIES is None else DjangoBodyStore(settings.BODIES)
    try:
        jobs = DjangoJobs(
            app, storage=settings.STORAGE, backend=settings.BACKEND, bodies=bodies, index=index.DjangoIndex()
        )
    except ConfigurationError as error:
        if error.setting != "storage":
            raise
        raise ConfigurationError(setting=key_name("STORAGE"), reason=error.reason) from error
    relay_hooks(jobs)
    return jobs


def find_celery_app() -> Celery | None:
    """The app that ``JOBS_FLOW["CELERY_APP"]`` names, else the current one; None when the project made none.

    Raises ``ConfigurationError`` when the named one cannot be imported.
    """
    name = get_settings().CELERY_APP
    if name is not None:
        try:
            app: Celery = find_app(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                setting=key_name("CELERY_APP"), reason=f"{name!r} is no Celery app: {error}"
            ) from error
        return app
    # celery.current_app would make an app named "default" where there is none, and that one would then
    # stand in the way of the project's own in other threads. It is also not what anybody configured.
    current: Celery | None = getattr(_state, "_tls").current_app or getattr(_state, "default_app")  # noqa: B009
    return None if current is None or current.main == "default" else current
