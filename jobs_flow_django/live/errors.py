"""What a socket is answered with when the fault is on its side, or nobody's business."""

from __future__ import annotations

from jobs_flow.errors import JobsFlowError


class NotAuthenticated(JobsFlowError):
    """You are not signed in."""

    code = "NOT_AUTHENTICATED"


class Forbidden(JobsFlowError):
    """You may see workflow instance {instance_id!r}, but may not {action} it."""

    code = "FORBIDDEN"

    def __init__(self, *, instance_id: str, action: str) -> None:
        super().__init__(instance_id=instance_id, action=action)


class PayloadForbidden(JobsFlowError):
    """You may see how workflow instance {instance_id!r} runs, but not its results, arguments and logs."""

    code = "FORBIDDEN"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class CannotCreate(JobsFlowError):
    """You may not create workflow instances."""

    code = "FORBIDDEN"


class TooManyWatches(JobsFlowError):
    """One socket may watch {limit} workflow instances; unwatch one first."""

    code = "TOO_MANY_WATCHES"

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit=limit)


class TooManyRequests(JobsFlowError):
    """That was too much in a short time; try again in {retry_after} s."""

    code = "TOO_MANY_REQUESTS"
    #: Seconds.
    retry_after: int

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(retry_after=retry_after)


class TooManySockets(JobsFlowError):
    """You have {limit} connections open already; close a page first."""

    code = "TOO_MANY_SOCKETS"

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit=limit)


class WatchRequired(JobsFlowError):
    """Watch workflow instance {instance_id!r} with 'fold' before you move its windows."""

    code = "NOT_WATCHED"

    def __init__(self, *, instance_id: str) -> None:
        super().__init__(instance_id=instance_id)


class TooManyWindows(JobsFlowError):
    """{limit} moves of windows wait for their answer already; wait for one first."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit=limit)


class InternalError(JobsFlowError):
    """Something went wrong on the server. It has been logged there."""

    code = "INTERNAL_ERROR"


class ProtocolError(JobsFlowError):
    """The message is not of the protocol."""

    code = "MALFORMED_MESSAGE"
    #: What the client named its message, when that much could be read.
    ref: str | int | None = None


class MalformedMessage(ProtocolError):
    """The message is malformed: {reason}."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class UnknownMessageType(ProtocolError):
    """There is no message type {type_name!r}. Known types: {known}."""

    code = "UNKNOWN_MESSAGE_TYPE"

    def __init__(self, *, type_name: str, known: str) -> None:
        super().__init__(type_name=type_name, known=known)


class MessageTooLarge(ProtocolError):
    """The message has more than {limit} bytes."""

    code = "MESSAGE_TOO_LARGE"

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit=limit)
