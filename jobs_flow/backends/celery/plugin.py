"""Installs jobs-flow on a Celery application: its tasks, its signals, and the defaults it needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

from celery import Celery, current_app, group
from celery.backends.base import DisabledBackend
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.celery import canvas, discovery, signals, task
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import BrokerUnavailable, CannotPublish, ConfigurationError, ResultBackendRequired
from jobs_flow.workflows.plan import Plan

logger = logging.getLogger("jobs_flow.celery")

#: Settings of the Celery side (``CELERY_JOBS_FLOW_…`` under Django), with their defaults.
SETTINGS: dict[str, Any] = {
    "jobs_flow_storage": None,
    "jobs_flow_canvas_bytes": canvas.CANVAS_BYTES,
}
#: What a durable engine wants of Celery; an application's own setting wins (``add_defaults``).
DEFAULTS: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Else one out-of-memory or read-only answer of Redis ends the worker.
    "broker_channel_error_retry": True,
    "task_publish_retry_policy": {"max_retries": 6, "interval_start": 0, "interval_step": 0.3, "interval_max": 2},
}
#: Seconds for which a worker goes on trying to publish what a step queued.
PUBLISH_PATIENCE = 60.0
#: Messages that are handed to the transport together, where it can (kombu 5.7 and later).
PUBLISH_BATCH = 500


class CeleryBackend(Backend):
    """Executes steps on the workers of a Celery application."""

    name = "celery"

    def __init__(self, app: Celery | None = None) -> None:
        self._app = app
        self._receivers: list[Any] = []
        self._discover: Callable[..., None]
        self.runtime: Runtime

    @property
    def app(self) -> Celery:
        """The application; without one given, Celery's current one."""
        if self._app is None:
            self._app = cast(Celery, cast(Any, current_app)._get_current_object())
        return self._app

    def install(self, runtime: Runtime) -> None:
        """Register tasks and signals on the application, set defaults, find ``workflows`` modules later."""
        self.runtime = runtime
        app = self.app
        app.add_defaults(lambda: DEFAULTS)
        previous = vars(app).get("_jobs_flow")
        if previous is not None:
            previous.uninstall()
        vars(app)["_jobs_flow"] = self
        task.register(app, self)
        self._receivers = signals.connect(self)
        self._discover = discovery.install(app, runtime.registry)

    def uninstall(self) -> None:
        """Leave the application to another ``Jobs``."""
        task.unregister(self.app)
        signals.disconnect(self._receivers)
        discovery.uninstall(self.app, self._discover)

    @property
    def default_storage(self) -> str | None:
        """The application's ``jobs_flow_storage`` setting."""
        value = self.setting("jobs_flow_storage")
        return str(value) if value else None

    def setting(self, name: str) -> Any:
        """One of SETTINGS. Raises ``ConfigurationError`` when the application sets one that is unknown."""
        for key in self.app.conf:
            if str(key).startswith("jobs_flow_") and key not in SETTINGS:
                known = ", ".join(sorted(SETTINGS))
                raise ConfigurationError(setting=key, reason=f"there is no such setting; there are {known}")
        return self.app.conf.get(name, SETTINGS[name])

    def dispatch(self, work: Dispatch) -> None:
        """Publish the canvases of the heads. Some may have been published when it raises.

        Raises ``BrokerUnavailable``, or ``CannotPublish`` for what trying again would not change.
        """
        try:
            canvases = canvas.heads(self.app, work)
            whole = canvases[0] if len(canvases) == 1 else group(*canvases, app=self.app)
            with self.app.producer_or_acquire(None) as producer:
                # One round trip for many messages, where the transport can.
                batch = getattr(producer, "batch", None)
                with batch(PUBLISH_BATCH) if batch and len(canvases) > 1 else nullcontext():
                    whole.apply_async(producer=producer, add_to_parent=False)
        except (OperationalError, OSError) as error:
            raise BrokerUnavailable(reason=f"{type(error).__name__}: {error}".rstrip(".")) from error
        except Exception as error:
            raise CannotPublish(reason=f"{type(error).__name__}: {error}") from error

    def dispatch_patiently(self, work: Dispatch) -> None:
        """``dispatch`` from a worker: the tasks are recorded as queued, so their messages must go out."""
        deadline, delay = time.monotonic() + PUBLISH_PATIENCE, 0.5
        while True:
            try:
                return self.dispatch(work)
            except BrokerUnavailable:
                if time.monotonic() + delay > deadline:
                    raise
                # A message that went out before the error is published twice; its second claim is refused.
                logger.warning("%s: the broker is away, publishing again in %.1f s", work.instance_id, delay)
                time.sleep(delay)
                delay = min(delay * 2, 10)

    def canvas(self, instance_id: str, plan: Plan, run: int) -> Signature:
        """The whole run as one canvas. Raises ``CanvasTooLarge`` or ``ResultBackendRequired``."""
        if any(node.children for node in plan.nodes.values()) and isinstance(self.app.backend, DisabledBackend):
            raise ResultBackendRequired(instance_id=instance_id)
        limit = self.setting("jobs_flow_canvas_bytes")
        return canvas.whole(self.app, instance_id, plan, run, limit=limit)
