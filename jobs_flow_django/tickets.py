"""Tickets: who holds one may watch one instance for a short while, signed in or not.

A view that has decided for itself that its visitor may see an instance puts one into the page::

    ticket = make_ticket(instance)            # ten minutes, without results
    ticket = make_ticket(instance, max_age=3600, payload=True)

A ticket is a text signed with ``SECRET_KEY``; keys of ``SECRET_KEY_FALLBACKS`` are believed too. It names its
instance and its end, so nothing is stored, and it cannot be taken back before its end, except by destroying the
instance. It permits to view, and with ``payload`` to see data, results, logs and messages of errors; never a command.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core import signing

from jobs_flow.errors import InvalidArgument, JobsFlowError

if TYPE_CHECKING:
    from jobs_flow_django.models import WorkflowInstance

#: Keeps other texts that the project signs from being taken for tickets.
SALT = "jobs_flow_django.tickets"
#: Characters of a ticket; what is longer is not looked at.
TICKET_LIMIT = 1_000


class InvalidTicket(JobsFlowError):
    """The ticket is not one for workflow instance {instance_id!r}. Load the page again to get one."""

    code = "INVALID_TICKET"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class TicketExpired(JobsFlowError):
    """The ticket for workflow instance {instance_id!r} has expired. Load the page again to get another."""

    code = "TICKET_EXPIRED"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says."""

    instance_id: str
    #: Seconds since 1970.
    expires_at: float
    #: Whether its holder may see data, results, logs and messages of errors.
    payload: bool = False

    @property
    def is_expired(self) -> bool:
        """Whether its end has come."""
        return not self.seconds_left

    @property
    def seconds_left(self) -> float:
        """Until its end; 0 from then on."""
        return max(0.0, self.expires_at - _now())


def make_ticket(instance: WorkflowInstance | str, *, max_age: float | timedelta = 600, payload: bool = False) -> str:
    """A ticket for an instance or its id, good for ``max_age`` seconds.

    It is the caller who decides that whoever gets it may see the instance; neither that nor whether there is
    one is asked here. Raises ``InvalidArgument`` for a ``max_age`` that is not a time to come.
    """
    seconds: object = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise InvalidArgument(argument="max_age", reason="it is not a positive number of seconds")
    instance_id = instance if isinstance(instance, str) else str(instance.pk)
    says = [instance_id, round(_now() + seconds, 3), 1 if payload else 0]
    return signing.Signer(salt=SALT).sign_object(says)


def read_ticket(text: str, instance_id: str) -> Ticket:
    """What a ticket for ``instance_id`` says; raises ``InvalidTicket`` or ``TicketExpired``."""
    try:
        if len(text) > TICKET_LIMIT:
            raise ValueError(text)
        named, expires_at, payload = signing.Signer(salt=SALT).unsign_object(text)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidTicket(instance_id=instance_id) from None
    if named != instance_id:
        raise InvalidTicket(instance_id=instance_id)
    ticket = Ticket(instance_id, expires_at, payload == 1)
    if ticket.is_expired:
        raise TicketExpired(instance_id=instance_id)
    return ticket


def _now() -> float:
    return time.time()
