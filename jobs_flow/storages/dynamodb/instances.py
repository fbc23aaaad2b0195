"""Instances in DynamoDB: their headers, lists, keys and end (``Storage``, "instances")."""

from __future__ import annotations

import contextlib
import heapq
import json
import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

from jobs_flow.errors import InstanceBusy, InstanceExists, InstanceNotFound, InvalidArgument, JobsFlowError, kind_of
from jobs_flow.ids import new_token
from jobs_flow.storages import transitions_control
from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey, Pointer, Write
from jobs_flow.storages.dynamodb.items import Conflict
from jobs_flow.storages.dynamodb.loader import Loader
from jobs_flow.storages.dynamodb.names import FAMILIES, LONGEST
from jobs_flow.storages.dynamodb.overflow import Replaced
from jobs_flow.storages.dynamodb.states import StoredState
from jobs_flow.storages.dynamodb.unit import Units
from jobs_flow.storages.memory_records import State
from jobs_flow.storages.records import TOMBSTONE_KEPT, Instance, NewInstance
from jobs_flow.storages.texts import check_names
from jobs_flow.workflows.states import InstanceStatus

logger = logging.getLogger("jobs_flow.storage")

#: Items of a deleted instance that are removed after one look at whether it still is.
SWEPT = 100
#: Seconds after which the service itself removes what is left of a deleted instance's header.
LEFT_FOR = 86_400


class DynamoInstances(Units):
    """The part of ``DynamoStorage`` that makes, finds, changes and removes instances."""

    def create_instance(self, new: NewInstance) -> Instance:
        """Write the header; a path without an item has a fresh record."""
        _check(new)
        name = new_token()
        for _ in self.items.patiently():
            holder = None if new.key is None else self.find_key(new.workflow, new.key, realm=new.realm)
            if holder is not None and holder != new.id:
                raise InstanceExists(instance_id=holder)
            before = self.items.get(self.names.header(new.id))
            if before is not None and "deletedAt" not in before:
                made = self.get_instance(new.id) if before.get("treeName") == name else None
                if made is not None:
                    # It was written, though nobody could say so at the time.
                    return made
                raise InstanceExists(instance_id=new.id)
            if before is not None:
                self._sweep(new.id, cast(int, before["ver"]))
            with contextlib.suppress(Conflict):
                return self._create(new, before, name)
        raise AssertionError("patience ends with an error")

    def _create(self, new: NewInstance, before: Attributes | None, name: str) -> Instance:
        loader = Loader(self.items, self.names, new.id)
        now = self.connection.clock()
        state = State(
            id=new.id,
            workflow=new.workflow,
            data=codec.encode(new.data),
            base_context=codec.encode(dict(new.base_context)),
            fingerprint=new.fingerprint,
            tree=codec.encode(list(new.tree)),
            realm=new.realm,
            name=new.name,
            ephemeral=new.ephemeral,
            created_at=now,
            updated_at=now,
            records={},
            key=new.key,
            seq=1,
        )
        # Never that of an earlier instance of this id: somebody may still want to write to that one.
        version = max(now, cast(int, before["ver"]) + 1 if before else 1)
        header = codec.header_image(state, {}, self.names) | {
            "id": codec.encode(new.id),
            "ver": version,
            "treeName": name,
            "counts": codec.encode({"inactive": len(new.paths)} if new.paths else {}),
            "listKey": self.names.list_shard(new.id),
            "listAt": listed(now, new.id),
            "realmKey": self.names.realm(new.realm),
        }
        event = codec.encode({"run": 0, "reset": True})
        at = self.names.header(new.id)
        writes = [
            Write(
                at,
                loader.overflow.spill(at, header),
                whole=True,
                condition="attribute_not_exists(#v)" if before is None else "#v = :v",
                values={} if before is None else {":v": before["ver"]},
                names={"#v": "ver"},
            ),
            *self._definition(loader, state, name, new.paths),
            Write(self.names.event(new.id, 1), {"e": event}, whole=True),
        ]
        if new.key is not None:
            writes.append(self._key_of(new.workflow, new.realm, new.key, new.id))
        loader.overflow.flush()
        self.items.transact(writes)
        self._announce(new.id, 1, event)
        made = self._state(new.id, header, loader)
        made.data, made.base_context = state.data, state.base_context
        return made.header()

    def _definition(self, loader: Loader, state: State, name: str, paths: Sequence[str]) -> list[Write]:
        """What the header is read with; ``name`` says that they belong together."""
        described = {"tree": codec.storable(state.tree), "paths": codec.encode(list(paths))}
        texts = {"data": codec.storable(state.data), "baseContext": codec.storable(state.base_context)}
        items = {self.names.definition(state.id): texts, self.names.tree(state.id): described}
        return [
            Write(at, loader.overflow.spill(at, item) | {"treeName": name}, whole=True) for at, item in items.items()
        ]

    def _key_of(self, workflow: str, realm: str, key: str, instance_id: str) -> Write:
        return Write(
            self.names.key(workflow, realm, key),
            {"id": codec.encode(instance_id), "of": codec.encode([workflow, realm, key])},
            whole=True,
            condition="attribute_not_exists(#i)",
            names={"#i": "id"},
        )

    def get_instance(self, instance_id: str) -> Instance | None:
        """The header, or None."""
        return self.get_instances([instance_id])[0]

    def get_instances(self, instance_ids: Sequence[str]) -> list[Instance | None]:
        """The headers in the order asked for."""
        names = self.names
        keys = [at for each in instance_ids for at in (names.header(each), names.definition(each))]
        found = self.items.get_many(keys)
        return [self._header_of(each, found) for each in instance_ids]

    def _header_of(self, instance_id: str, found: dict[ItemKey, Attributes]) -> Instance | None:
        names, loader = self.names, Loader(self.items, self.names, instance_id)
        for _ in self._patiently():
            attributes, definition = found.get(names.header(instance_id)), found.get(names.definition(instance_id))
            if attributes is None or "deletedAt" in attributes:
                return None
            try:
                loader.overflow.fill([attributes])
                definition = loader.take(definition, str(attributes["treeName"]))
            except Replaced:
                found = self.items.get_many([names.header(instance_id), names.definition(instance_id)])
                continue
            state = self._state(instance_id, attributes, loader)
            state.data, state.base_context = str(definition["data"]), str(definition["baseContext"])
            return state.header()
        raise AssertionError("patience ends with an error")

    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        """Ids in order of creation, newest first."""
        until = None
        if after is not None:
            found = self.items.get_many([self.names.header(after)], ["listAt"]).get(self.names.header(after), {})
            if "listAt" not in found:
                return []
            until = ("listAt", found["listAt"])
        if realm is None:
            index, keys = "listed", [("listKey", key) for key in self.names.list_shards()]
        else:
            index, keys = "realm", [("realmKey", self.names.realm(realm))]
        lists = [
            ((str(item["listAt"]), str(item["Key"])) for item in page)
            for page in (self.items.query_index(index, key, until=until, backwards=True, limit=limit) for key in keys)
        ]
        newest = islice(heapq.merge(*lists, reverse=True), limit)
        return [self._instance_of(key)[1] for _, key in newest]

    def get_tree(self, instance_id: str) -> list[dict[str, Any]] | None:
        """The description the instance was created with, or last updated to."""
        for _ in self._patiently():
            state = self._load(instance_id)
            if state is None:
                return None
            with contextlib.suppress(Replaced):
                tree: list[dict[str, Any]] = json.loads(str(state.loader.tree(state.tree_name)["tree"]))
                return tree
        raise AssertionError("patience ends with an error")

    def find_key(self, workflow: str, key: str, *, realm: str = "") -> str | None:
        """The id of the instance of this workflow and realm that has ``key``, or None."""
        found = self.items.get(self.names.key(workflow, realm, key))
        return None if found is None else str(json.loads(str(found["id"])))

    def update_instance(self, new: NewInstance, *, revision: int) -> Instance | None:
        """Give an instance another definition."""

        def update(found: State | None) -> Instance | None:
            if found is None:
                raise InstanceNotFound(instance_id=new.id)
            state = cast(StoredState, found)
            if state.revision != revision:
                return None
            if state.status is InstanceStatus.WORKING and tuple(state.paths()) != tuple(new.paths):
                raise InstanceBusy(instance_id=new.id, action="changing its tasks")
            if state.key is not None and state.workflow != new.workflow:
                holder = self.find_key(new.workflow, state.key, realm=state.realm)
                if holder is not None and holder != new.id:
                    raise InstanceExists(instance_id=holder)
                old = self.names.key(state.workflow, state.realm, state.key)
                state.others += [Write(old, delete=True), self._key_of(new.workflow, state.realm, state.key, new.id)]
            self._changed_by(state, transitions_control.update(state, new))
            state.tree_name = new_token()
            replaced = self.items.get_many([self.names.definition(new.id), self.names.tree(new.id)])
            state.others += self._definition(state.loader, state, state.tree_name, new.paths)
            texts = [value for item in replaced.values() for value in item.values() if isinstance(value, Pointer)]
            state.after.append(lambda: state.overflow.drop(texts))
            return state.header()

        return self._within(new.id, update)

    def delete_instance(self, instance_id: str, *, rested: int | None = None) -> Instance | None:
        """Remove an instance with all that was written for it."""
        name = new_token()
        for _ in self.items.patiently():
            state = self._load(instance_id)
            if state is None or (rested is not None and not state.rests(rested)):
                return None
            try:
                header = state.header()
                self.items.transact(self._burial(state, name))
            except Replaced:
                continue
            except Conflict:
                # It may have been written, though nobody could say so.
                if (self.items.get(self.names.header(instance_id)) or {}).get("by") != name:
                    continue
            self._announce(instance_id, state.seq + 1, '{"deleted":true}')
            try:
                self._sweep(instance_id, state.version + 1)
            except JobsFlowError as error:
                logger.warning("%s: what is left of it is removed later: %s", instance_id, kind_of(error))
            return header
        raise AssertionError("patience ends with an error")

    def _burial(self, state: StoredState, name: str) -> list[Write]:
        now = self.connection.clock()
        tombstone: Attributes = {
            "deletedAt": codec.encode(now),
            "last": state.seq + 1,
            "ver": state.version + 1,
            "by": name,
            "expiresAt": now // 1000 + LEFT_FOR,
            # What was being written while it was deleted is swept once more.
            "dueShard": self.names.due_shard(state.id, "swept"),
            "dueAt": now + TOMBSTONE_KEPT,
        }
        writes = [
            Write(
                self.names.header(state.id),
                tombstone,
                whole=True,
                condition="#v = :v AND attribute_not_exists(#p)",
                values={":v": state.version},
                names={"#v": "ver", "#p": "pending"},
            )
        ]
        if state.key is not None:
            writes.append(Write(self.names.key(state.workflow, state.realm, state.key), delete=True))
        return writes

    def _sweep(self, instance_id: str, version: int) -> None:
        """Remove all items of a deleted instance but its tombstone, which has that version."""
        header = self.names.header(instance_id)
        keys = [self.names.of(family, instance_id) for family in FAMILIES]
        found = (ItemKey(key, sort) for key in keys for sort, _ in self.items.query(key, only=["ver"]))
        left = (at for at in found if at != header)
        while batch := list(islice(left, SWEPT)):
            if (self.items.get_many([header], ["ver"]).get(header) or {}).get("ver") != version:
                # Another instance has the id by now.
                return
            self.items.delete_many(batch)

    def _instance_of(self, key: str) -> tuple[str, str]:
        """Family and instance that a hash key is of."""
        name = key.removeprefix(self.names.prefix)
        family = next(family for family in FAMILIES if name.startswith(family))
        return family, name.removeprefix(family)


def listed(created_at: int, instance_id: str) -> str:
    """Where an instance stands in lists."""
    return f"{created_at:013d} {instance_id}"


def _check(new: NewInstance) -> None:
    if len(new.id.encode("utf-8", "surrogatepass")) > LONGEST:
        raise InvalidArgument(argument="id", reason=f"it is longer than {LONGEST} bytes")
    check_names(new)
