"""What a URL says of where records are in Redis or Valkey: one server, a cluster, or a master that sentinels know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.connection import parse_url

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.redis_partitions import DEFAULT_PARTITIONS, MOST_PARTITIONS

#: Seconds. A worker that waits longer than this for its storage would hold its message for nothing.
CONNECT_TIMEOUT = 5.0
SOCKET_TIMEOUT = 30.0

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss", "sentinel": "redis"}
#: What a URL may begin with.
SCHEMES = ("redis", "rediss", "unix", *SENTINEL_SCHEMES)

_UNREADABLE = "the URL cannot be read; in a user name or a password, write / : @ ? # as %2F %3A %40 %3F %23"
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def wrong(reason: str) -> ConfigurationError:
    """The error of a URL that names no storage."""
    return ConfigurationError(setting="storage", reason=reason)


@dataclass(frozen=True)
class Address:
    """Where a server is, or several that belong together."""

    kind: Literal["server", "cluster", "sentinel"]
    #: As the driver reads it, without what is our own; of several hosts the first one's.
    url: str
    #: For errors and pages; holds no password.
    label: str
    #: Before every key; None when the URL does not say.
    prefix: str | None
    #: Of servers, or of sentinels; none for a socket.
    hosts: tuple[tuple[str, int], ...] = ()
    #: The name by which sentinels know the master.
    master: str = ""
    #: User name and password for the sentinels.
    sentinel_login: dict[str, str] = field(default_factory=dict, repr=False)
    #: Of a cluster.
    partitions: int | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address that ``url`` names; ``ConfigurationError`` when it names none."""
        try:
            parts = urlsplit(url)
            user, _, place = parts.netloc.rpartition("@")
            hosts = tuple(_host(text, parts.scheme) for text in place.split(","))
        except ValueError:
            # Its text may be the half of a password.
            raise wrong(_UNREADABLE) from None
        local = parts.scheme == "unix"
        if not local and "@" in parts.path:
            raise wrong(_UNREADABLE)
        if local and (place or not parts.path):
            raise wrong("unix:// needs the path of a socket: unix:///path")
        query = dict(parse_qsl(parts.query))
        prefix = query.pop("prefix", None)
        label = f"{parts.scheme}://{place}{parts.path}"
        cluster = _flag("cluster", query.pop("cluster", "false"))
        partitions = query.pop("partitions", None)
        if cluster and parts.scheme not in ("redis", "rediss"):
            raise wrong(f"{label}: cluster=true is for redis:// and rediss://")
        if partitions is not None and not cluster:
            raise wrong(f"{label}: partitions are those of a cluster; add cluster=true")
        login = user and f"{user}@"
        rest = f"?{urlencode(query)}" if query else ""
        if parts.scheme in SENTINEL_SCHEMES:
            sentinel_login = {
                name.removeprefix("sentinel_"): query.pop(name)
                for name in ("sentinel_username", "sentinel_password")
                if name in query
            }
            rest = f"?{urlencode(query)}" if query else ""
            master, _, database = parts.path.strip("/").partition("/")
            if not master or (database and not database.isdecimal()) or not all(host for host, _ in hosts):
                raise wrong(f"{label}: it has to be {parts.scheme}://host:port,host:port/name of the master/database")
            driver = f"{SENTINEL_SCHEMES[parts.scheme]}://{login}{_text(hosts[0])}/{database}{rest}"
            found = cls("sentinel", driver, label, prefix, hosts, unquote(master), sentinel_login)
        elif cluster:
            if parts.path.strip("/") not in ("", "0") or query.get("db", "0") != "0":
                raise wrong(f"{label}: a cluster has no other database than 0; use prefix=")
            if not all(host for host, _ in hosts):
                raise wrong(f"{label}: name a host of the cluster")
            driver = f"{parts.scheme}://{login}{_text(hosts[0])}{rest}"
            found = cls("cluster", driver, label, prefix, hosts, partitions=_count(partitions))
        else:
            if len(hosts) > 1:
                raise wrong(f"{label}: for several hosts add cluster=true, or use redis+sentinel://")
            if not local and not (parts.path.strip("/") or "0").isdecimal():
                # The driver would take database 0.
                raise wrong(f"{label}: after the host comes the number of a database, or nothing")
            # Not urlunsplit: that of a URL without a host may have one slash.
            found = cls("server", f"{parts.scheme}://{parts.netloc}{parts.path}{rest}", label, prefix, hosts)
        found.check()
        return found

    def options(self) -> dict[str, Any]:
        """How to connect to a server, whichever it is: what the URL says, and what it leaves to us."""
        try:
            said = dict(parse_url(self.url))  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise wrong(f"{self.label}: {error}") from None
        for name in ("host", "port", "connection_class"):
            said.pop(name, None)
        local = self.url.startswith("unix:")
        limits = {"socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": SOCKET_TIMEOUT}
        ours = {**limits, "health_check_interval": 25} | ({} if local else {"socket_keepalive": True})
        return {**ours, **said}

    @property
    def encrypted(self) -> bool:
        """Whether connections are TLS."""
        return self.url.startswith("rediss:")

    @property
    def longest_block(self) -> float:
        """Seconds that a command may block: one that outlasts the socket's limit is taken for a dead connection."""
        limit = self.options()["socket_timeout"]
        return (SOCKET_TIMEOUT if limit is None else float(limit)) / 3

    def check(self) -> None:
        """Connections are made later, and an option that they do not know would be found only then."""
        options = self.options()
        if self.url.startswith("unix:"):
            kind: type[Any] = redis.UnixDomainSocketConnection
        else:
            kind = redis.SSLConnection if self.encrypted else redis.Connection
        try:
            # Some options are the pool's.
            kind(**redis.ConnectionPool(connection_class=kind, **options).connection_kwargs)
        except (ValueError, TypeError, redis.exceptions.RedisError) as error:
            raise wrong(f"{self.label}: {error}") from error


def _host(text: str, scheme: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or (26379 if scheme in SENTINEL_SCHEMES else 6379)


def _text(place: tuple[str, int]) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise wrong(f"{name} in the URL is true or false, not {text!r}")
    return text.lower() in _YES


def _count(text: str | None) -> int:
    if text is None:
        return DEFAULT_PARTITIONS
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PARTITIONS:
        raise wrong(f"partitions in the URL is a number from 1 to {MOST_PARTITIONS}, not {text!r}")
    return int(text)
