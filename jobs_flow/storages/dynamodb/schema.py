"""The table: its keys and indexes, making it, and whether one that is there is right."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.base import Storage
from jobs_flow.storages.dynamodb.connection import CREATE, Connection, reporting

#: The key of an item.
KEY = "Key"
SORT = "Sort"
#: Epoch seconds after which an item is removed by the service, some time.
EXPIRES = "expiresAt"
#: Seconds until a new table can be used, at most.
CREATED_IN = 120.0


class Index(NamedTuple):
    """A global secondary index: an item is in it while it has both attributes."""

    name: str
    hash: str
    range: str
    #: ``S`` or ``N``.
    range_type: str
    #: Attributes kept in the index beside the keys.
    include: tuple[str, ...] = ()


INDEXES = (
    # Timers, by the time they come due.
    Index("due", "dueShard", "dueAt", "N"),
    # Queued tasks.
    Index("lane", "lane", "laneAt", "N", ("lookAt", "run")),
    # Instances by creation, all of them and those of a realm.
    Index("listed", "listKey", "listAt", "S"),
    Index("realm", "realmKey", "listAt", "S"),
)


def definition(table: str) -> dict[str, Any]:
    """What ``CreateTable`` is asked for."""
    types = {KEY: "S", SORT: "S"}
    for index in INDEXES:
        types |= {index.hash: "S", index.range: index.range_type}
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
        "KeySchema": _keys(KEY, SORT),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index.name,
                "KeySchema": _keys(index.hash, index.range),
                "Projection": (
                    {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.include)}
                    if index.include
                    else {"ProjectionType": "KEYS_ONLY"}
                ),
            }
            for index in INDEXES
        ],
    }


def create_table(connection: Connection, *, wait: bool = True) -> bool:
    """Make the table, with the removal of expired items switched on; False when it was there already.

    One that is there is checked as ``check_table`` does. With ``wait`` it can be used on return.

    Raises ``ConfigurationError`` for a table of another shape; ``StorageUnavailable`` when it is not ready within
    CREATED_IN, or may not be made.
    """
    created = True
    try:
        with reporting(connection.label):
            connection.client.create_table(**definition(connection.table))
    except connection.client.exceptions.ResourceInUseException:
        created = False
    if wait:
        _wait(connection)
    check_table(connection)
    _expire(connection)
    return created


def check_table(connection: Connection) -> None:
    """Raise ``ConfigurationError`` when the table lacks a key or an index; ``StorageUnavailable`` without a table."""
    found = connection.call("describe_table", TableName=connection.table)["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    problems = []
    if (reason := _differs(found["KeySchema"], (KEY, SORT), types, "S")) is not None:
        problems.append(f"its key {reason}")
    indexes = {each["IndexName"]: each for each in found.get("GlobalSecondaryIndexes", ())}
    for index in INDEXES:
        existing = indexes.get(index.name)
        if existing is None:
            problems.append(f"it has no index {index.name!r}")
            continue
        if (reason := _differs(existing["KeySchema"], (index.hash, index.range), types, index.range_type)) is not None:
            problems.append(f"the key of its index {index.name!r} {reason}")
        projection = existing.get("Projection", {})
        kept = set(projection.get("NonKeyAttributes", ()))
        if projection.get("ProjectionType") != "ALL" and not kept.issuperset(index.include):
            problems.append(f"its index {index.name!r} does not include {', '.join(sorted(set(index.include) - kept))}")
    if problems:
        advice = f"Name another table and make it with {CREATE}"
        reason = f"{connection.label} is there, but {'; '.join(problems)}. {advice}"
        raise ConfigurationError(setting="storage", reason=reason)


def connection_of(storage: Storage) -> Connection:
    """The table of a storage; ``ConfigurationError`` when it has none because it is no ``dynamodb://``."""
    connection = getattr(storage, "connection", None)
    if not isinstance(connection, Connection):
        reason = f"it is {storage.label}, which is no DynamoDB and needs no table"
        raise ConfigurationError(setting="storage", reason=reason)
    return connection


def create_table_of(storage: Storage) -> str:
    """Make the table of a storage, or check the one that is there; a sentence for whoever asked.

    Raises as ``create_table`` and ``connection_of`` do.
    """
    connection = connection_of(storage)
    created = create_table(connection)
    return f"{connection.label} was created" if created else f"{connection.label} was there already, and is right"


def _keys(hash: str, range: str) -> list[dict[str, str]]:  # noqa: A002 - the service's own words
    return [{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]


def _differs(schema: list[dict[str, str]], names: tuple[str, str], types: dict[str, str], kind: str) -> str | None:
    """What is wrong with a key, for a sentence."""
    found = {each["KeyType"]: each["AttributeName"] for each in schema}
    have = [(name, types.get(name, "")) for name in (found.get("HASH"), found.get("RANGE")) if name]
    wanted = [(names[0], "S"), (names[1], kind)]
    if have == wanted:
        return None
    return f"is {_spelled(have)} instead of {_spelled(wanted)}"


def _spelled(key: list[tuple[str, str]]) -> str:
    return " and ".join(f"{name} ({kind})" for name, kind in key)


def _wait(connection: Connection) -> None:
    deadline = time.monotonic() + CREATED_IN
    pause = 0.05
    while True:
        status = _status(connection)
        if status == "ACTIVE":
            return
        if time.monotonic() > deadline:
            raise StorageUnavailable(
                storage=connection.label, reason=f"the table is {status} and not ready after {CREATED_IN:g} s"
            )
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _status(connection: Connection) -> str:
    """Of the table, or of the first of its indexes that is not ready."""
    try:
        with reporting(connection.label):
            found = connection.client.describe_table(TableName=connection.table)["Table"]
    except StorageUnavailable as error:
        # Reads of a table's description are eventually consistent, so a new one may not be there yet.
        response = getattr(error.__cause__, "response", {})
        if response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return "not there"
        raise
    statuses = [found["TableStatus"], *(each.get("IndexStatus") for each in found.get("GlobalSecondaryIndexes", ()))]
    return next((str(status) for status in statuses if status not in ("ACTIVE", None)), "ACTIVE")


def _expire(connection: Connection) -> None:
    """Have expired items removed, where they are not already: asking for what is so is an error."""
    found = connection.call("describe_time_to_live", TableName=connection.table)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if (attribute := found.get("AttributeName")) != EXPIRES:
            reason = f"{connection.label} removes items by the attribute {attribute!r} instead of {EXPIRES!r}"
            raise ConfigurationError(setting="storage", reason=reason)
        return
    connection.call(
        "update_time_to_live",
        TableName=connection.table,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES},
    )
