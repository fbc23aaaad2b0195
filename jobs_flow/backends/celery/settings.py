"""The settings of the Celery side, and what a durable engine wants of Celery's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery

from jobs_flow.backends.celery.canvas import CANVAS_BYTES
from jobs_flow.backends.policy import Policy
from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.bodies import LEAST_THRESHOLD, BodyLimits
from jobs_flow.workflows.retention import keep_seconds


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_keep(value: Any) -> bool:
    try:
        keep_seconds(value)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of ours."""

    default: Any
    #: What its value is, for the message of an error, and whether one is that.
    kind: str
    is_valid: Callable[[Any], bool]


#: Settings of the Celery side (``CELERY_JOBS_FLOW_…`` under Django).
SETTINGS: dict[str, Setting] = {
    "jobs_flow_storage": Setting(None, "a URL", lambda value: value is None or isinstance(value, str)),
    "jobs_flow_bodies": Setting(None, "a URL", lambda value: value is None or isinstance(value, str)),
    "jobs_flow_body_threshold": Setting(
        BodyLimits().threshold,
        f"a number of bytes, from {LEAST_THRESHOLD} to {BodyLimits().threshold}",
        # One record with such values must fit in the 400 KB of an item of DynamoDB.
        lambda value: _is_whole(value) and LEAST_THRESHOLD <= value <= BodyLimits().threshold,
    ),
    "jobs_flow_body_limit": Setting(
        BodyLimits().limit,
        f"a number of bytes, {LEAST_THRESHOLD} or more",
        lambda value: _is_whole(value) and value >= LEAST_THRESHOLD,
    ),
    "jobs_flow_canvas_bytes": Setting(CANVAS_BYTES, "a number of bytes", lambda value: _is_whole(value) and value > 0),
    "jobs_flow_lease": Setting(
        Policy().lease, "a number of seconds, 0.1 or more", lambda value: _is_number(value) and value >= 0.1
    ),
    "jobs_flow_max_losses": Setting(
        Policy().max_losses, "a number of times, 0 or more", lambda value: _is_whole(value) and value >= 0
    ),
    "jobs_flow_keep": Setting(None, "seconds (60 or more), a timedelta, or None for ever", _is_keep),
    "jobs_flow_recovery": Setting(True, "true or false", lambda value: isinstance(value, bool)),
}
#: What a durable engine wants of Celery; an application's own setting wins (``add_defaults``).
DEFAULTS: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Else one out-of-memory or read-only answer of Redis ends the worker.
    "broker_channel_error_retry": True,
    "task_publish_retry_policy": {"max_retries": 6, "interval_start": 0, "interval_step": 0.3, "interval_max": 2},
    # A lost connection loses no task: the record says who holds it, so what is half done may be finished.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # A RabbitMQ whose machine is gone without a word is noticed in half a minute, not in two.
    "broker_heartbeat": 30,
    # Seconds that running tasks get before a cold shutdown ends them.
    "worker_soft_shutdown_timeout": 10.0,
}
#: Options of the Redis transport, each where the application gives none of that name: a server that is gone is
#: noticed, and a call to it does not hang for ever.
REDIS_TRANSPORT: dict[str, Any] = {
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
_REDIS_SCHEMES = ("redis", "rediss", "sentinel", "valkey")
#: The same of the AMQP transport: what Celery publishes by itself, the rest of a chain, is not lost unnoticed either.
AMQP_TRANSPORT: dict[str, Any] = {"confirm_publish": True}
_AMQP_SCHEMES = ("amqp", "amqps", "pyamqp")


def check(name: str, value: Any) -> Any:
    """``value``, when the setting ``name`` may have it. Raises ``ConfigurationError``."""
    setting = SETTINGS[name]
    if not setting.is_valid(value):
        raise ConfigurationError(setting=name, reason=f"it is {setting.kind}, not {value!r}")
    return value


def merge_transport_options(app: Celery) -> None:
    """Add REDIS_TRANSPORT or AMQP_TRANSPORT to the application's own options, once its configuration is known."""

    def merge(*_: Any, **__: Any) -> None:
        conf: Any = app.conf
        urls = (conf.broker_url, conf.broker_read_url, conf.broker_write_url)
        schemes = [url.partition(":")[0].partition("+")[0] for url in urls if isinstance(url, str)]
        if any(scheme in _REDIS_SCHEMES for scheme in schemes):
            conf.broker_transport_options = {**REDIS_TRANSPORT, **(conf.broker_transport_options or {})}
        elif any(scheme in _AMQP_SCHEMES for scheme in schemes):
            conf.broker_transport_options = {**AMQP_TRANSPORT, **(conf.broker_transport_options or {})}

    if vars(app)["configured"]:
        merge()
    else:
        # ``weak``: nobody else keeps the function.
        app.on_after_configure.connect(merge, weak=False)
