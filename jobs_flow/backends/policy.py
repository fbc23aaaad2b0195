"""The numbers that decide how patient a durable engine is; a backend reads them from its settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs_flow.storages.bodies import BodyLimits


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things may take before somebody else takes over."""

    #: Seconds for which a worker that says nothing keeps its tasks. Renewed each third of it.
    lease: float = 30.0
    #: Times a task may lose its worker; the next time it fails as ``POISONED``.
    max_losses: int = 3
    #: Seconds for which instances are kept after their run where their workflow does not say; None: for ever.
    keep: float | None = None
    #: How long values may be.
    bodies: BodyLimits = field(default_factory=BodyLimits)

    @property
    def lease_ms(self) -> int:
        """The lease as storages take it."""
        return int(self.lease * 1000)

    @property
    def heartbeat(self) -> float:
        """Seconds between renewals."""
        return self.lease / 3

    @property
    def patience_ms(self) -> int:
        """The longest time between two publications of a message that seems lost: it ends within three leases."""
        return max(2 * self.grace_ms, self.lease_ms)

    @property
    def grace_ms(self) -> int:
        """Milliseconds that a message gets to arrive before its watermark counts against it."""
        return int(min(self.lease, 5.0) * 1000)
