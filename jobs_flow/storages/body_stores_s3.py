"""Large values in a bucket of S3, or of a server that speaks its protocol, by boto3 (``jobs-flow[s3]``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.body_stores import SETTING
from jobs_flow.storages.contract_bodies import CHUNK_BYTES

#: Objects that one request may delete.
DELETE_BATCH = 1_000
#: Seconds for a connection, and for an answer; botocore tries again a few times by itself.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
#: Refusals that may be over later, besides those with a status of 500 and up.
_PASSING = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestTimeTooSkewed"})


class S3Store:
    """Objects in one bucket, below a prefix.

    Credentials are those of boto3's own chain: the environment, a profile, the role of the machine.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, region: str | None = None, endpoint: str | None = None
    ) -> None:
        try:
            import boto3  # noqa: F401 - only whether it is there
        except ImportError as error:
            reason = "s3:// needs boto3: install jobs-flow[s3]"
            raise ConfigurationError(setting=SETTING, reason=reason) from error
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._region = region
        self._endpoint = endpoint
        self.label = f"s3://{bucket}/{self._prefix}".rstrip("/")
        self._client: tuple[int, Any] | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The store of ``s3://bucket/prefix?region=…&endpoint=http://…``. Raises ``ConfigurationError``."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        unknown = sorted(set(options) - {"region", "endpoint"})
        if unknown:
            reason = f"there is no option {unknown[0]!r} of s3://; there are endpoint and region"
            raise ConfigurationError(setting=SETTING, reason=reason)
        if not parts.hostname or parts.username or parts.password:
            reason = "a bucket is given as s3://bucket/prefix, its credentials as boto3 finds them"
            raise ConfigurationError(setting=SETTING, reason=reason)
        return cls(parts.netloc, unquote(parts.path), **options)

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Put an object, in one request."""
        with self._reporting():
            body = b"".join(chunks)
            self._connected().put_object(
                Bucket=self._bucket, Key=self._prefix + name, Body=body, ContentType="application/json"
            )

    def open(self, name: str) -> Iterator[bytes]:
        """The object in chunks."""
        with self._reporting():
            answer = self._connected().get_object(Bucket=self._bucket, Key=self._prefix + name)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(CHUNK_BYTES)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, a thousand a request."""
        keys = [{"Key": self._prefix + name} for name in names]
        for start in range(0, len(keys), DELETE_BATCH):
            batch = {"Objects": keys[start : start + DELETE_BATCH], "Quiet": True}
            with self._reporting():
                answer = self._connected().delete_objects(Bucket=self._bucket, Delete=batch)
            for error in answer.get("Errors", ()):
                self._refuse(str(error.get("Code")), 0)

    def _connected(self) -> Any:
        """The client of this process; a connection must not be shared with the process that forked it."""
        known = self._client
        if known is not None and known[0] == os.getpid():
            return known[1]
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "max_attempts": 4},
        )
        # A session of its own: boto3's default one is not for several threads.
        client = boto3.session.Session().client(
            "s3", region_name=self._region, endpoint_url=self._endpoint, config=config
        )
        self._client = os.getpid(), client
        return client

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
            ParamValidationError,
        )

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _MISSING:
                raise FileNotFoundError(self.label) from error
            self._refuse(code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), error)
        except (NoCredentialsError, NoRegionError, ParamValidationError) as error:
            raise ConfigurationError(setting=SETTING, reason=f"{self.label}: {error}") from error
        except (BotoCoreError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise StorageUnavailable(storage=self.label, reason=type(error).__name__) from error

    def _refuse(self, code: str, status: int, error: Exception | None = None) -> None:
        if code in _PASSING or code == "InternalError" or status >= 500:
            raise StorageUnavailable(storage=self.label, reason=code) from error
        raise ConfigurationError(setting=SETTING, reason=f"{self.label} answers {code}") from error
