"""Items of the table as dicts of text, numbers, bytes and pointers, and the service's limits on requests for them.

Answers are complete: pages are followed, unprocessed keys and items are asked for again, and what comes in no order is
given by key. Reads are consistent but for those of an index, which the service offers only eventually so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobs_flow.errors import StorageUnavailable, TooLarge
from jobs_flow.storages.dynamodb.attributes import (
    Attributes,
    ItemKey,
    Value,
    Write,
    decode,
    encode,
    encode_one,
    key_of,
    projection,
)
from jobs_flow.storages.dynamodb.connection import Connection

#: Limits of the service: keys read, items written, and items of a transaction in one request.
KEYS_A_READ = 100
ITEMS_A_BATCH = 25
ITEMS_A_TRANSACTION = 100
#: Seconds for which unprocessed keys and items are asked for again.
PATIENCE = 20.0
#: Why they are not given after that.
REFUSING = "it keeps refusing (throttled, or others write the same items all the time)"


class Conflict(Exception):
    """A condition did not hold, or somebody else is writing one of the items: read again, and try again.

    ``failed``: places of the writes whose condition did not hold.
    """

    def __init__(self, failed: Sequence[int] = ()) -> None:
        super().__init__()
        self.failed = tuple(failed)


class Items:
    """Requests about the items of one table."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._table = connection.table

    # -- reading -----------------------------------------------------------------------------

    def get(self, at: ItemKey) -> Attributes | None:
        """An item; None without it."""
        return self.get_many([at]).get(at)

    def get_many(self, keys: Iterable[ItemKey], only: Sequence[str] = ()) -> dict[ItemKey, Attributes]:
        """Those of the items that there are; with ``only``, no other attributes of them."""
        wanted = list(dict.fromkeys(keys))
        if len(wanted) == 1:
            answer = self._call("get_item", Key=key_of(wanted[0]), ConsistentRead=True, **projection(only))
            item = answer.get("Item")
            return {} if item is None else {wanted[0]: decode(item)}
        found: dict[ItemKey, Attributes] = {}
        for start in range(0, len(wanted), KEYS_A_READ):
            keys_left: Any = [key_of(each) for each in wanted[start : start + KEYS_A_READ]]
            # An answer without its key could not be told from the others.
            part = projection(tuple(dict.fromkeys((*only, "Key", "Sort"))) if only else ())
            for _ in self.patiently():
                request = {self._table: {"Keys": keys_left, "ConsistentRead": True, **part}}
                answer = self._sent("batch_get_item", RequestItems=request)
                for item in answer["Responses"].get(self._table, []):
                    found[ItemKey(item["Key"]["S"], item["Sort"]["S"])] = decode(item)
                left = answer.get("UnprocessedKeys", {}).get(self._table)
                if not left:
                    break
                keys_left = left["Keys"]
        return found

    def get_together(self, keys: Iterable[ItemKey], only: Sequence[str] = ()) -> dict[ItemKey, Attributes]:
        """Those of the items that there are, as they were at one moment, as far as they fit into one answer.

        With ``only``, no other attributes of them.

        Other reads may find one item as a transaction left it and another as it was before: the service lets them
        pass while it is writing one. What a transition is decided by is read so.
        """
        wanted = list(dict.fromkeys(keys))
        found: dict[ItemKey, Attributes] = {}
        for start in range(0, len(wanted), KEYS_A_READ):
            found |= self._get_some(wanted[start : start + KEYS_A_READ], projection(only))
        return found

    def _get_some(self, wanted: Sequence[ItemKey], part: Mapping[str, Any]) -> dict[ItemKey, Attributes]:
        from botocore.exceptions import ClientError

        request = [{"Get": {"TableName": self._table, "Key": key_of(at), **part}} for at in wanted]
        for _ in self.patiently():
            try:
                answers = self.connection.call("transact_get_items", TransactItems=request)["Responses"]
            except ClientError as error:
                if isinstance(refused := self._refused(error, []), Conflict):
                    # Somebody is writing one of them.
                    continue
                if len(wanted) == 1:
                    raise refused from error
                # More than the 4 MB of an answer.
                half = len(wanted) // 2
                return self._get_some(wanted[:half], part) | self._get_some(wanted[half:], part)
            return {at: decode(each["Item"]) for at, each in zip(wanted, answers, strict=True) if each.get("Item")}
        raise AssertionError("patience ends with an error")

    def query(
        self,
        key: str,
        begins: str = "",
        *,
        first: str | None = None,
        last: str | None = None,
        backwards: bool = False,
        limit: int | None = None,
        only: Sequence[str] = (),
    ) -> Iterator[tuple[str, Attributes]]:
        """Range key and attributes of the items of a hash key, in order: all, those that begin so, or a range."""
        if first is not None and last is not None and first > last:
            return
        condition, values = "#k = :k", {":k": {"S": key}}
        if first is not None and last is not None:
            condition += " AND #s BETWEEN :a AND :b"
            values |= {":a": {"S": first}, ":b": {"S": last}}
        elif begins:
            condition += " AND begins_with(#s, :a)"
            values[":a"] = {"S": begins}
        part = projection(tuple(dict.fromkeys((*only, "Key", "Sort"))) if only else ())
        names = part.pop("ExpressionAttributeNames", {}) | {"#k": "Key"}
        if "#s" in condition:
            names["#s"] = "Sort"
        request = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ExpressionAttributeNames": names,
            "ScanIndexForward": not backwards,
            "ConsistentRead": True,
            **part,
        }
        for item in self._pages(request, limit):
            yield item["Sort"]["S"], decode(item)

    def query_index(
        self,
        index: str,
        hash_key: tuple[str, str],
        *,
        until: tuple[str, Value] | None = None,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[Attributes]:
        """What an index has of a hash key, in order, up to a value of its range key, exclusive when backwards."""
        condition, values, names = "#h = :h", {":h": encode_one(hash_key[1])}, {"#h": hash_key[0]}
        if until is not None:
            condition += " AND #r < :r" if backwards else " AND #r <= :r"
            values[":r"] = encode_one(until[1])
            names["#r"] = until[0]
        request = {
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ExpressionAttributeNames": names,
            "ScanIndexForward": not backwards,
        }
        for item in self._pages(request, limit):
            yield decode(item)

    def count_index(self, index: str, hash_key: tuple[str, str]) -> int:
        """How many items an index has of a hash key."""
        request: dict[str, Any] = {
            "IndexName": index,
            "KeyConditionExpression": "#h = :h",
            "ExpressionAttributeValues": {":h": encode_one(hash_key[1])},
            "ExpressionAttributeNames": {"#h": hash_key[0]},
            "Select": "COUNT",
        }
        count = 0
        while True:
            answer = self._call("query", **request)
            count += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return count
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _pages(self, request: dict[str, Any], limit: int | None) -> Iterator[dict[str, Any]]:
        given = 0
        while limit is None or given < limit:
            if limit is not None:
                request["Limit"] = limit - given
            answer = self._call("query", **request)
            for item in answer["Items"]:
                yield item
                given += 1
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # -- writing -----------------------------------------------------------------------------

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all of the writes, or none. Raises ``Conflict``.

        A request that is sent again because its answer was lost is answered as it was: it has a token of its own.
        """
        from botocore.exceptions import ClientError

        try:
            self.connection.call("transact_write_items", TransactItems=[self._transacted(write) for write in writes])
        except ClientError as error:
            raise self._refused(error, writes) from error

    def write(self, write: Write) -> None:
        """Do one write. Raises ``Conflict`` when its condition does not hold."""
        if write.condition is None:
            self.write_lightly(write)
            return
        for _ in self.patiently():
            try:
                self.transact([write])
            except Conflict as conflict:
                if conflict.failed:
                    raise
            else:
                return

    def write_lightly(self, write: Write) -> None:
        """Do one write for half the price. Raises ``Conflict`` when its condition does not hold.

        Also when it is sent again because its answer was lost, and what it wrote is in its own way.
        """
        from botocore.exceptions import ClientError

        ((kind, request),) = self._transacted(write).items()
        method = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}[kind]
        for _ in self.patiently():
            try:
                self.connection.call(method, **request)
            except ClientError as error:
                refused = self._refused(error, [write])
                if not isinstance(refused, Conflict) or refused.failed:
                    raise refused from error
            else:
                return

    def put_many(self, items: Iterable[tuple[ItemKey, Mapping[str, Value]]]) -> None:
        """Write items, whatever there was, in no order."""
        self._batch([{"PutRequest": {"Item": key_of(at) | encode(item)}} for at, item in items])

    def delete_many(self, keys: Iterable[ItemKey]) -> None:
        """Delete items, in no order."""
        self._batch([{"DeleteRequest": {"Key": key_of(at)}} for at in dict.fromkeys(keys)])

    def _batch(self, requests: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(requests), ITEMS_A_BATCH):
            left: Any = requests[start : start + ITEMS_A_BATCH]
            for _ in self.patiently():
                try:
                    answer = self._sent("batch_write_item", RequestItems={self._table: left})
                except Conflict:
                    continue
                left = answer.get("UnprocessedItems", {}).get(self._table)
                if not left:
                    break

    # -- requests ----------------------------------------------------------------------------

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._sent(operation, TableName=self._table, **request)

    def _sent(self, operation: str, **request: Any) -> dict[str, Any]:
        """The answer to a request that nothing but the state of the service can be in the way of."""
        from botocore.exceptions import ClientError

        try:
            return self.connection.call(operation, **request)
        except ClientError as error:
            raise self._refused(error, []) from error

    def patiently(self, reason: str = REFUSING) -> Iterator[None]:
        """Once, and again with pauses that grow; ``StorageUnavailable`` with the reason at last."""
        until, pause = time.monotonic() + PATIENCE, 0.02
        while time.monotonic() < until:
            yield
            # Spreads those who were refused together; nobody gains by guessing it.
            time.sleep(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, 1.0)
        raise StorageUnavailable(storage=self.connection.label, reason=reason)

    def _transacted(self, write: Write) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._table}
        values = {name: encode_one(value) for name, value in write.values.items()}
        names = dict(write.names)
        if write.condition is not None:
            request["ConditionExpression"] = write.condition
        if write.delete:
            kind, request["Key"] = "Delete", key_of(write.at)
        elif write.whole:
            kind, request["Item"] = "Put", key_of(write.at) | encode(write.put)
        elif not write.put and not write.remove:
            kind, request["Key"] = "ConditionCheck", key_of(write.at)
        else:
            kind, request["Key"] = "Update", key_of(write.at)
            clauses = []
            if write.put:
                clauses.append("SET " + ",".join(f"#s{n}=:s{n}" for n in range(len(write.put))))
                for n, (name, value) in enumerate(write.put.items()):
                    names[f"#s{n}"], values[f":s{n}"] = name, encode_one(value)
            if write.remove:
                clauses.append("REMOVE " + ",".join(f"#r{n}" for n in range(len(write.remove))))
                names |= {f"#r{n}": name for n, name in enumerate(write.remove)}
            request["UpdateExpression"] = " ".join(clauses)
        if names:
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = values
        return {kind: request}

    def _refused(self, error: Any, writes: Sequence[Write]) -> Exception:
        """What a refused write is to the caller: something to be tried again, a value too large, or unforeseen."""
        found = error.response["Error"]
        codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
        if found["Code"] == "ConditionalCheckFailedException":
            return Conflict([0])
        if found["Code"] in ("TransactionConflictException", "TransactionInProgressException"):
            return Conflict()
        reasons = error.response.get("CancellationReasons", [])
        message = " ".join(each.get("Message") or "" for each in (found, *reasons))
        if codes and all(code in _PASSING for code in codes):
            return Conflict([place for place, code in enumerate(codes) if code == "ConditionalCheckFailed"])
        if "size" in message and "exceed" in message and writes:
            largest = max(writes, key=Write.size)
            return TooLarge(where=f"An item of {largest.at.key}", size=largest.size(), limit=400 * 1024)
        return StorageUnavailable(storage=self.connection.label, reason=f"{found['Code']}: {message}"[:300])


#: Why an item of a transaction was not written, where trying again is right.
_PASSING = frozenset(
    {
        "None",
        None,
        "ConditionalCheckFailed",
        "TransactionConflict",
        "ProvisionedThroughputExceeded",
        "ThrottlingError",
    }
)
