"""Faults in one place and at one moment: at the n-th write of an instance, or when it comes to a named place.

What is to happen to which instance stands in files, so that many cases share a worker and each happens once, in
whichever process comes to it first.
"""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs_flow import Jobs, syncpoints
from jobs_flow.errors import BrokerUnavailable, StorageUnavailable
from tests.chaos.ledger import Ledger

#: Operations of a storage that change something and concern an instance.
WRITES = (
    *("create_instance", "update_instance", "delete_instance", "start_run", "revert_run", "claim", "complete", "retry"),
    *("release", "lose", "cancel", "pause", "reset", "set_updaters", "begin_undo", "claim_undo", "end_undo"),
    *("settle", "postpone", "set_progress", "append_logs", "grip"),
)
#: Operations of a backend that send something.
SENDS = ("dispatch", "dispatch_undo")


@dataclass(frozen=True)
class Fault:
    """What is to happen once to an instance."""

    #: An operation of the storage or the backend, or a sync point (a name with a dot).
    at: str
    #: ``before`` or ``after``: the process is killed then. ``error``: done, and reported as failed. ``away``: not
    #: done, and reported as failed.
    mode: str = "before"
    #: The first time it comes to it is 1.
    n: int = 1
    #: The path that has to be concerned; empty: any.
    path: str = ""
    #: ``process``: the one that comes to it; ``worker``: that and the main process of its worker.
    victim: str = "process"

    def plant(self, directory: Path | str, instance_id: str) -> None:
        """Have it happen to the instance, in every process that knows the directory."""
        (Path(directory) / f"fault-{instance_id}").write_text(json.dumps(asdict(self)), encoding="utf-8")

    def has_happened(self, directory: Path | str, instance_id: str) -> bool:
        """Whether some process came to it."""
        return Ledger(directory).tickets(f"{instance_id}-{self.at}") >= self.n


def install(jobs: Jobs, directory: str) -> None:
    """Have the faults of ``directory`` happen in this process and those it forks."""
    tripwire = Tripwire(directory)
    storage: Any = jobs.storage
    for name in WRITES:
        setattr(storage, name, tripwire.around(name, getattr(storage, name), StorageUnavailable))
    backend: Any = jobs.backend
    for name in SENDS:
        setattr(backend, name, tripwire.around(name, getattr(backend, name), BrokerUnavailable))
    syncpoints.install(tripwire.reach)


class Tripwire:
    """Looks whether a fault is due."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._ledger = Ledger(directory)

    def around(self, name: str, operation: Callable[..., Any], unavailable: type[Exception]) -> Callable[..., Any]:
        """The operation, with what is to happen at it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            fault = self._due(name, args)
            if fault is None:
                return operation(*args, **kwargs)
            if fault.mode == "before":
                self._kill(fault)
            if fault.mode != "away":
                operation(*args, **kwargs)
            if fault.mode == "after":
                self._kill(fault)
            known = {"storage": "the storage on trial"} if unavailable is StorageUnavailable else {}
            raise unavailable(reason="a fault was planted here", **known)

        return call

    def reach(self, name: str, *details: Any) -> None:
        """A sync point."""
        fault = self._due(name, details)
        if fault is not None:
            self._kill(fault)

    def _due(self, name: str, details: tuple[Any, ...]) -> Fault | None:
        first = details[0] if details else "anywhere"
        instance_id = first if isinstance(first, str) else getattr(first, "instance_id", None)
        if instance_id is None:
            # A new instance, whose id nobody knows yet.
            instance_id = f"key-{first.key}"
        try:
            text = (self._directory / f"fault-{instance_id}").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        fault = Fault(**json.loads(text))
        if fault.at != name or (fault.path and not _concerns(fault.path, details)):
            return None
        if self._ledger.ticket(f"{instance_id}-{name}") != fault.n:
            return None
        return fault

    def _kill(self, fault: Fault) -> None:
        if fault.victim == "worker":
            # The main process leads the session; it may be this one.
            os.kill(os.getsid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _concerns(path: str, details: tuple[Any, ...]) -> bool:
    return path in details or any(getattr(detail, "path", None) == path for detail in details)


def deliver_twice() -> None:
    """Put each message into its queue twice, as two deliveries of their own."""
    from kombu import Producer
    from kombu.transport.redis import Channel

    put, publish = Channel._put, Producer._publish

    def put_twice(self: Any, queue: str, message: Any, **kwargs: Any) -> None:
        put(self, queue, message, **kwargs)
        copy = json.loads(json.dumps(message))
        copy["properties"]["delivery_tag"] = str(uuid.uuid4())
        put(self, queue, copy, **kwargs)

    def publish_twice(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection.transport.driver_type == "amqp":
            publish(self, *args, **kwargs)
        return publish(self, *args, **kwargs)

    Channel._put, Producer._publish = put_twice, publish_twice
