"""How a DynamoDB table is reached, and what of its driver's errors means that it cannot be used now."""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jobs_flow.errors import ConfigurationError, JobsFlowError, StorageUnavailable
from jobs_flow.storages.dynamodb.clock import SkewedClock
from jobs_flow.storages.redis_addresses import SCHEMES

#: Seconds. A worker that waits longer than this for its storage would hold its message for nothing.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 15
#: How often a request is sent at most: with pauses that grow, as the service asks of clients that it throttles. One
#: that never succeeds takes some seconds where nobody listens, and a minute where nobody answers.
ATTEMPTS = 4
#: Connections kept open; threads beyond them open one of their own for each request.
POOL = 50

#: The parameters that a URL may have.
PARAMETERS = ("region", "endpoint", "prefix", "events", "profile", "session_token")

TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
NOT_INSTALLED = "DynamoDB needs boto3, which is not installed: pip install jobs-flow[dynamodb]"
UNREADABLE = "the URL cannot be read; in an access key or a secret, write / : @ ? # + as %2F %3A %40 %3F %23 %2B"

#: Answers that say something about the request or the items it names, not about the service.
ANSWERS = frozenset(
    {
        "ConditionalCheckFailedException",
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceededException",
        "ResourceInUseException",
        "TransactionCanceledException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ValidationException",
    }
)
#: As much of a driver's message as is shown: those about signatures go on for pages.
REASON_LENGTH = 300


class Connection:
    """One table, and the client that reaches it: made when it is first used, and again in each forked process."""

    def __init__(
        self,
        table: str,
        *,
        prefix: str = "",
        region: str | None = None,
        endpoint: str | None = None,
        events: str | None = None,
        profile: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
    ) -> None:
        #: Its name.
        self.table = table
        #: Before every ``Key``.
        self.prefix = prefix
        #: How watchers are told of events: the URL of a Redis server, ``channels``, or None.
        self.events = events
        #: For errors and pages; holds no secret.
        self.label = f"dynamodb://{table}"
        #: The service's clock.
        self.clock = SkewedClock()
        self._session = {
            "region_name": region,
            "profile_name": profile,
            "aws_access_key_id": access_key,
            "aws_secret_access_key": secret_key,
            "aws_session_token": session_token,
        }
        self._endpoint = endpoint
        self._client: Any = None
        self._lock = threading.Lock()
        _connections.add(self)

    @classmethod
    def parse(cls, url: str) -> Self:
        """The connection that ``url`` names: ``dynamodb://table?region=…``.

        Before the table, ``KEY:SECRET@`` are an access key and its secret; without them boto3 looks for some where
        it always does (environment, files, role of the machine). Values are percent-encoded.

        Parameters: ``region``; ``endpoint``, for a server that is not Amazon's; ``prefix`` of every key, so that
        several projects may share a table; ``events``, how watchers hear of events at once: ``channels`` or the URL
        of a Redis server; ``profile`` of the AWS configuration; ``session_token`` of temporary credentials.
        """
        if find_spec("boto3") is None:
            raise _wrong(NOT_INSTALLED)
        try:
            parts = urlsplit(url)
        except ValueError:
            raise _wrong(UNREADABLE) from None
        credentials, at, table = parts.netloc.rpartition("@")
        if parts.fragment or "@" in parts.path:
            raise _wrong(UNREADABLE)
        # What is in the place of the name may be half a secret, so it is not shown.
        if not TABLE_NAME.fullmatch(table):
            raise _wrong(
                "after dynamodb:// comes the name of a table, of 3 to 255 letters, digits, _ - and .; " + UNREADABLE
            )
        if parts.path not in ("", "/"):
            raise _wrong("after the name of the table comes nothing but ? and parameters")
        access_key, _, secret_key = credentials.partition(":")
        if at and not (access_key and secret_key):
            raise _wrong("explicit credentials are an access key and a secret: dynamodb://KEY:SECRET@table")
        given = _parameters(parts.query)
        if given.get("session_token") and not at:
            raise _wrong("session_token comes with an access key and a secret: dynamodb://KEY:SECRET@table")
        if given.get("profile") and at:
            raise _wrong("either profile or an access key and a secret are given, not both")
        return cls(
            table,
            prefix=given.pop("prefix", ""),
            access_key=unquote(access_key) or None,
            secret_key=unquote(secret_key) or None,
            **given,
        )

    @property
    def client(self) -> Any:
        """boto3's low-level client, for all threads of this process."""
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
                client = self._client
        return client

    def call(self, operation: str, **kwargs: Any) -> dict[str, Any]:
        """The answer to one request, such as ``call("get_item", TableName=…, Key=…)``.

        Raises ``StorageUnavailable``, and botocore's ``ClientError`` for the codes in ``ANSWERS``. A request whose
        answer was lost is sent again: a condition may then fail because of what the first one wrote.
        """
        with reporting(self.label):
            method = getattr(self.client, operation)
            sent = self.clock.local()
            answer: dict[str, Any] = method(**kwargs)
        received = self.clock.local()
        date = _epoch(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        if date is not None:
            self.clock.observe(date, sent=sent, received=received)
        return answer

    def close(self) -> None:
        """Free connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """For the child of a fork: sockets are the parent's, and locks may be held by threads that it does not have."""
        self._client = None
        self._lock = threading.Lock()
        self.clock.after_fork()

    def _connect(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise _wrong(NOT_INSTALLED) from error
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=POOL,
            tcp_keepalive=True,
            # A third of the time of a request, for what the service checks anyway.
            parameter_validation=False,
        )
        try:
            # Of its own: the default session of boto3 must not be used by two threads at a time.
            session = boto3.session.Session(**self._session)
            return session.client("dynamodb", endpoint_url=self._endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            # No region, an unknown profile, an endpoint that is no URL.
            raise _wrong(f"{self.label}: {error}"[:REASON_LENGTH]) from error


@contextmanager
def reporting(label: str) -> Iterator[None]:
    """Raise ``StorageUnavailable`` for what the driver raises when the table cannot be used.

    The codes in ``ANSWERS`` go through as botocore's ``ClientError``.
    """
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise StorageUnavailable(storage=label, reason=reason[:REASON_LENGTH]) from error


def _reason(error: Exception) -> str | None:
    """Why the table cannot be used; None for an error that says nothing of the kind."""
    if isinstance(error, JobsFlowError):
        # That the driver is not installed, for one.
        return None
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    if isinstance(error, ClientError):
        found = error.response.get("Error", {})
        code, message = found.get("Code", ""), found.get("Message", "")
        if code in ANSWERS:
            return None
        if code == "ResourceNotFoundException":
            return f"the table or an index of it does not exist ({message}); create it with {CREATE}"
        return f"{code}: {message}"
    if isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError):
        return f"{type(error).__name__}: {error}"
    return None


#: The command that makes the table.
CREATE = "`celery -A proj flow create-table`"


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in PARAMETERS:
            raise _wrong(f"unknown parameter {name!r}; there are {', '.join(PARAMETERS)}")
        if name in given:
            raise _wrong(f"the parameter {name!r} is given twice")
        # Not parse_qsl: it takes a plus, which session tokens are full of, for a space.
        given[name] = unquote(value)
        if not value and name != "prefix":
            raise _wrong(f"the parameter {name!r} is empty")
    if "://" in given.get("events", "") and given["events"].partition("://")[0] not in SCHEMES:
        raise _wrong(f"events is `channels`, or a URL that begins with {', '.join(f'{each}://' for each in SCHEMES)}")
    return given


def _wrong(reason: str) -> ConfigurationError:
    return ConfigurationError(setting="storage", reason=reason)


# The same header comes many times a second.
@lru_cache(maxsize=8)
def _epoch(date: str) -> int | None:
    """Epoch milliseconds of a ``Date`` header; None when it is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except (TypeError, ValueError):
        return None


_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


def _after_fork() -> None:
    for connection in list(_connections):
        connection.after_fork()


os.register_at_fork(after_in_child=_after_fork)
