"""Installs jobs-flow on a Celery application: its tasks, its signals, its worker's part, and the defaults it needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from amqp import exceptions as amqp
from celery import Celery, current_app, group
from celery.backends.base import DisabledBackend
from celery.canvas import Signature
from kombu.exceptions import ChannelError, OperationalError

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.celery import canvas, discovery, guards, messages, signals, task, worker
from jobs_flow.backends.celery.confirms import Unconfirmed, confirmed
from jobs_flow.backends.celery.settings import DEFAULTS, SETTINGS, check, merge_transport_options
from jobs_flow.backends.policy import Policy
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import BrokerUnavailable, CannotPublish, ConfigurationError, ResultBackendRequired
from jobs_flow.ids import message_id
from jobs_flow.storages.bodies import BodyLimits
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.retention import keep_seconds

if TYPE_CHECKING:
    from jobs_flow.backends.celery.deaths import Death

logger = logging.getLogger("jobs_flow.celery")

#: Seconds for which a worker goes on trying to publish what a step queued.
PUBLISH_PATIENCE = 60.0
#: Messages that are handed to the transport together, where it can (kombu 5.7 and later).
PUBLISH_BATCH = 500
#: Ids in one revoke, and how many revokes one call may send.
REVOKE_BATCH = 1_000
REVOKES = 20
#: Seconds to wait for a connection of its own, and for an AMQP broker's answers on it.
CONNECT_TIMEOUT = 5


class CeleryBackend(Backend):
    """Executes steps on the workers of a Celery application."""

    name = "celery"

    def __init__(self, app: Celery | None = None) -> None:
        self._app = app
        self._receivers: list[Any] = []
        self._discover: Callable[..., None]
        self._policy: Policy | None = None
        #: Where a worker's main process takes what it learns of its children; None outside of one.
        self.reports: Callable[[Death], None] | None = None
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
        guards.install()
        merge_transport_options(app)
        app.steps["worker"].add(worker.FlowStep)
        task.register(app, self)
        self._receivers = signals.connect(self)
        self._discover = discovery.install(app, runtime.registry)

    def uninstall(self) -> None:
        """Leave the application to another ``Jobs``."""
        task.unregister(self.app)
        self.app.steps["worker"].discard(worker.FlowStep)
        signals.disconnect(self._receivers)
        discovery.uninstall(self.app, self._discover)

    @property
    def default_storage(self) -> str | None:
        """The application's ``jobs_flow_storage`` setting."""
        value = self.setting("jobs_flow_storage")
        return str(value) if value else None

    @property
    def default_bodies(self) -> str | None:
        """The application's ``jobs_flow_bodies`` setting."""
        value = self.setting("jobs_flow_bodies")
        return str(value) if value else None

    @property
    def policy(self) -> Policy:
        """As the settings ``jobs_flow_`` ``lease``, ``max_losses``, ``keep`` and ``body_…`` say, read once."""
        if self._policy is None:
            keep = keep_seconds(self.setting("jobs_flow_keep"))
            bodies = BodyLimits(self.setting("jobs_flow_body_threshold"), self.setting("jobs_flow_body_limit"))
            self._policy = Policy(self.setting("jobs_flow_lease"), self.setting("jobs_flow_max_losses"), keep, bodies)
        return self._policy

    def setting(self, name: str) -> Any:
        """One of SETTINGS. Raises ``ConfigurationError`` when the application sets one that is unknown, or wrong."""
        for key in self.app.conf:
            if str(key).startswith("jobs_flow_") and key not in SETTINGS:
                known = ", ".join(sorted(SETTINGS))
                raise ConfigurationError(setting=key, reason=f"there is no such setting; there are {known}")
        return check(name, self.app.conf.get(name, SETTINGS[name].default))

    def report(self, death: Death) -> None:
        """Have the recovery of this worker see to a task that nobody executes any more. Does no I/O, raises nothing."""
        if self.reports is not None:
            self.reports(death)
        else:
            logger.warning("%s %s: %s is left to its lease", death.instance_id, death.path, death.code)

    # -- publishing --------------------------------------------------------------------------

    def dispatch(self, work: Dispatch) -> None:
        """Publish the canvases of the heads. Some may have been published when it raises.

        Raises ``BrokerUnavailable``, or ``CannotPublish`` for what trying again would not change.
        """
        if work.heads:
            self._publish(lambda: canvas.heads(self.app, work))

    def dispatch_undo(self, instance_id: str, run: int) -> None:
        """Publish the message that undoes a run."""
        self._publish(lambda: [messages.signature(self.app, messages.UNDO, instance_id, "#", run)])

    def _publish(self, make: Callable[[], list[Signature]]) -> None:
        try:
            canvases = make()
            whole = canvases[0] if len(canvases) == 1 else group(*canvases, app=self.app)
            try:
                self._send(whole, len(canvases))
            except Unconfirmed as error:
                if not error.lost:
                    raise
                # Twice published, the second is refused.
                self._send(whole, len(canvases))
        except (OperationalError, OSError, Unconfirmed) as error:
            raise BrokerUnavailable(reason=f"{type(error).__name__}: {error}".rstrip(".")) from error
        except Exception as error:
            if _is_passing(self.app, error):
                raise BrokerUnavailable(reason=f"{type(error).__name__}: {error}".rstrip(".")) from error
            raise CannotPublish(reason=f"{type(error).__name__}: {error}") from error

    def _send(self, whole: Signature, count: int) -> None:
        with self.app.producer_or_acquire(None) as producer, confirmed(producer):
            # One round trip for many messages, where the transport can.
            batch = getattr(producer, "batch", None)
            with batch(PUBLISH_BATCH) if batch and count > 1 else nullcontext():
                whole.apply_async(producer=producer, add_to_parent=False)

    def dispatch_patiently(self, work: Dispatch) -> None:
        """``dispatch`` from a worker: the tasks are recorded as queued, so their messages should go out."""
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

    # -- queues ------------------------------------------------------------------------------

    def lane_of(self, plan: Plan, path: str) -> str:
        """``<priority>:<queue>`` of the message of a task."""
        # By identity: plans compare by value, all nodes of them.
        lanes = vars(plan).get("_celery_lanes")
        if lanes is None:
            lanes = vars(plan)["_celery_lanes"] = {}
        lane: str | None = lanes.get(path)
        if lane is None:
            lane = lanes[path] = messages.lane_of(self.app, plan, path)
        return lane

    def drained(self, lane: str) -> bool:
        """Whether the queue of a lane is empty, or not there. Messages that a worker has fetched are not in it.

        Raises ``BrokerUnavailable``.
        """
        try:
            with self._connected() as connection, connection.channel() as channel:
                try:
                    found = channel.queue_declare(messages.queue_of(lane), passive=True)
                except amqp.NotFound as error:
                    # There is none; or there is one, on a node that is down.
                    if "home node" in str(error):
                        raise
                    return True
                except (ChannelError, *connection.channel_errors) as error:
                    if _is_passing(self.app, error):
                        raise
                    return True
                # A quorum queue that has no leader yet, or does not answer within 250 ms, says 0: that costs second
                # messages, which are refused.
                return not found.message_count
        except Exception as error:
            raise BrokerUnavailable(reason=f"{type(error).__name__}: {error}".rstrip(".")) from error

    def revoke(self, instance_id: str, run: int, paths: Collection[str]) -> None:
        """Tell the workers that are there to drop these messages; what does not reach them is refused by the claim."""
        if isinstance(self.app.backend, DisabledBackend):
            # Workers would log a warning for each: they note revoked tasks in the result backend.
            return
        ids = [message_id(instance_id, path, run) for path in paths]
        batches: Sequence[Sequence[str]] = [ids[n : n + REVOKE_BATCH] for n in range(0, len(ids), REVOKE_BATCH)]
        try:
            with self._connected() as connection:
                for batch in batches[:REVOKES]:
                    self.app.control.revoke(list(batch), connection=connection)
        except Exception as error:
            logger.warning("%s: the workers were not told of a cancellation: %s", instance_id, type(error).__name__)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A connection of its own. Raises soon, where Celery's would try for ever."""
        with self.app.connection_for_write() as connection:
            if connection.transport.driver_type == "amqp":
                # One that has stopped answering, or waits for the majority of its nodes, is away too.
                limits = {"read_timeout": CONNECT_TIMEOUT, "write_timeout": CONNECT_TIMEOUT}
                connection.transport_options = {**(connection.transport_options or {}), **limits}
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_TIMEOUT)
            yield connection


def _is_passing(app: Celery, error: BaseException) -> bool:
    """Whether a broker's refusal is about now: out of memory, read-only, loading, gone in the middle of a batch."""
    if isinstance(error, amqp.ConnectionError | amqp.RecoverableChannelError | amqp.MessageNacked):
        return True
    if isinstance(error, amqp.AccessRefused):
        # Of the credentials, which may be on their way; not of what they may do.
        return "Login was refused" in str(error)
    if isinstance(error, amqp.NotFound):
        # A queue or an exchange that was deleted in between, which the next connection declares; or its node is down.
        return True
    if isinstance(error, RuntimeError) and "publish batch" in str(error):
        # The connection was lost, and made anew, while the batch was being filled.
        return True
    if type(error).__name__ == "BatchPublishError" and error.__cause__ is not None:
        # Whatever the server did not say itself is about the way there. Twice published, the second is refused.
        said = type(error.__cause__).__name__ in ("ResponseError", "DataError")
        return not said or _is_passing(app, error.__cause__)
    text = f"{type(error).__name__}: {error}"
    return any(word in text for word in ("OOM", "OutOfMemory", "READONLY", "ReadOnly", "LOADING", "BusyLoading"))
