"""The state of an instance as it is read from its items: records when they are looked at, and no sooner.

An instance has as many items as it has records that were ever written; a path without one has a fresh record. What
a run puts back is not written either: the header says which paths were put back (``PutBack``), and a record that was
written before that is put back whenever it is read, until a transition writes it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, cast

from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.attributes import Attributes, Pointer, Write
from jobs_flow.storages.dynamodb.items import KEYS_A_READ, Items
from jobs_flow.storages.dynamodb.loader import Loader
from jobs_flow.storages.dynamodb.names import HEADER, Names
from jobs_flow.storages.dynamodb.overflow import Overflow
from jobs_flow.storages.dynamodb.stored import PutBack, StoredAttempts, StoredLogs, StoredRecord, Tally
from jobs_flow.storages.memory_records import RECORD_TIMERS, Data, Record, State
from jobs_flow.storages.records import Instance, JsonText
from jobs_flow.storages.transitions_attempts import put_back
from jobs_flow.workflows.states import TaskStatus

#: For more than one in so many records all are read: a page of a query holds more than ten times what a request by keys
#: gives.
RECORDS_A_KEY = 10


class StoredRecords(MutableMapping[str, Record]):
    """The records of an instance by path, in no order but for ``paths()``."""

    def __init__(self, state: StoredState, likely: Sequence[str] = ()) -> None:
        self._state = state
        self.current: dict[str, Record] = {}
        #: Of each record that was looked at: its item, its image as it was given, what the header counts of it.
        self.known: dict[str, Attributes] = {}
        self.images: dict[str, Attributes] = {}
        self.tallies: dict[str, Tally] = {}
        self._absent: set[str] = set()
        self._likely = list(dict.fromkeys(likely))
        self._places = {path: number for number, path in enumerate(self._likely)}

    def __getitem__(self, path: str) -> Record:
        if path not in self.current and path not in self._absent:
            self.read(self._with_neighbours(path))
        return self.current[path]

    def __setitem__(self, path: str, record: Record) -> None:
        if path not in self.current and path not in self._absent:
            self.read([path])
        self.current[path] = record

    def __delitem__(self, path: str) -> None:
        raise TypeError("records are removed by an update of the instance only")

    def __iter__(self) -> Iterator[str]:
        self.read_all()
        return iter(self._state.paths())

    def __len__(self) -> int:
        return len(self._state.paths())

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and (path in self.current or path in self._state.path_set())

    def get(self, path: str, default: Any = None) -> Any:
        """The record, or the default."""
        try:
            return self[path]
        except KeyError:
            return default

    def _with_neighbours(self, path: str) -> list[str]:
        """A path and those that are likely to be looked at next, as many as one request reads."""
        number = self._places.get(path)
        if number is None:
            return [path]
        following = self._likely[number : number + KEYS_A_READ]
        return [each for each in following if each not in self.current and each not in self._absent]

    def read(self, paths: Sequence[str]) -> None:
        """Read records, those that are known already left out."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self.current and path not in self._absent]
        state = self._state
        found: dict[str, Attributes] = {}
        if not state.untouched:
            keys = {state.names.task(state.id, path): path for path in wanted}
            read = state.items.get_together(keys)
            found = {keys[at]: attributes for at, attributes in read.items()}
            state.overflow.fill(list(found.values()))
            state.reads += bool(wanted)
        self.take(found, wanted)

    def read_all(self, leave: Sequence[str] = ()) -> None:
        """Read every record, to look at only; without the long texts of the attributes to ``leave``."""
        state = self._state
        missing = [path for path in state.paths() if path not in self.current]
        if not missing:
            return
        found: dict[str, Attributes] = {}
        if not state.untouched:
            for sort, attributes in state.items.query(state.names.of("workflowTask_", state.id)):
                found[codec.path_of(sort, attributes)] = attributes
            state.overflow.fill(list(found.values()), leave)
            for attributes in found.values():
                body = attributes.get("body")
                for name in [name for name, value in attributes.items() if isinstance(value, Pointer)]:
                    del attributes[name]
                if isinstance(body, Pointer):
                    # As of a value that is kept elsewhere, which no view shows at any length either.
                    attributes["body"] = Reference(body.length, "", body.name).text
            state.reads += 1
        self.take({path: found[path] for path in missing if path in found}, missing)

    def read_figures(self, paths: Sequence[str], names: Sequence[str]) -> dict[str, Data]:
        """Some of ``records.TASK_FIGURES`` of those of the paths that there are; nothing else is read or kept."""
        state, wanted = self._state, list(dict.fromkeys(paths))
        found = {} if state.untouched else self._parts(wanted, tuple({"status", "run", "ver", "path", *names}))
        # The paths of all are a long text, needed for those only that were never written.
        there = (path for path in wanted if path in found or path in state.path_set())
        return {path: self._as_it_stands(path, found.get(path, {})).figures(names) for path in there}

    def _parts(self, paths: Sequence[str], only: Sequence[str]) -> dict[str, Attributes]:
        """Some attributes of records; those of others too where that takes fewer requests."""
        state = self._state
        if len(paths) > KEYS_A_READ and len(paths) > len(state.paths()) // RECORDS_A_KEY:
            found = state.items.query(state.names.of("workflowTask_", state.id), only=only)
            return {codec.path_of(sort, attributes): attributes for sort, attributes in found}
        keys = {state.names.task(state.id, path): path for path in paths}
        return {keys[at]: attributes for at, attributes in state.items.get_together(keys, only).items()}

    def _as_it_stands(self, path: str, attributes: Attributes) -> Record:
        """A record, or as much of it as was read, put back if it was since it was written."""
        record, version = codec.read_record(attributes), cast(int, attributes.get("ver", 0))
        for each in self._put_backs(path, version):
            record = Record(run=record.run if each.run is None else each.run)
        return record

    def _put_backs(self, path: str, version: int) -> Iterator[PutBack]:
        """Those that came after a record was written, in their order."""
        return (each for each in self._state.put_backs if each.version > version and each.covers(path))

    def take(self, found: dict[str, Attributes], wanted: Iterable[str]) -> None:
        """Make records of what was read."""
        for path in wanted:
            if path in self.current:
                continue
            attributes = found.get(path)
            if attributes is None and path not in self._state.path_set():
                self._absent.add(path)
                continue
            self.known[path] = attributes or {}
            self._make(path, attributes or {})

    def rewrite_stale(self, path: str) -> None:
        """Have a record written that stands in an index for what its item says and a put-back took back."""
        image = self.images.get(path)
        if image is not None and any(name in self.known[path] and name not in image for name in ("dueAt", "laneAt")):
            self.images[path] = {}

    def _make(self, path: str, attributes: Attributes) -> None:
        state = self._state
        version, count = cast(int, attributes.get("ver", 0)), cast(int, attributes.get("attempts", 0))
        record: Record = StoredRecord(
            **codec.read(codec.RECORD, attributes),
            attempts=StoredAttempts(count),
        )
        if record.log_count:
            began = cast(int, attributes["logBegan"])
            record.logs = StoredLogs(state.items, state.names, state.id, path, began, record.log_count)
        self.current[path] = record
        for name, at in codec.read_timers(attributes).items():
            state.timers[codec.timer_key(name, path)] = at
        if (standing := codec.read_place(attributes)) is not None:
            state.places[path] = standing
        for each in self._put_backs(path, version):
            put_back(cast(State, _Only(state, self.current)), [path], each.run)
        self.tallies[path] = Tally.of(self.current[path])
        self.images[path] = state.image(path)


class _Only:
    """As much of a state as putting back needs, without reading more records."""

    def __init__(self, state: StoredState, records: dict[str, Record]) -> None:
        self.records = records
        self.stop_timers = state.stop_timers


class StoredState(State):
    """A state whose records and definition are read when they are looked at."""

    loader: Loader
    #: The header's item as it was read, and the number of the write that made it so.
    attributes: Attributes
    version: int
    put_backs: tuple[PutBack, ...]
    #: How many times more than the header was read for it: what is torn between them is found by comparing versions.
    reads: int
    #: No record was ever written.
    untouched: bool
    #: What the tree is known as.
    tree_name: str
    #: Events to be written with the change, number and text.
    emitted: list[tuple[int, JsonText]]
    #: Writes of items that are no record, with the change.
    others: list[Write]
    #: What is done once the change is stored; without it, only some tidiness is lost.
    after: list[Callable[[], None]]

    @property
    def items(self) -> Items:
        """The table."""
        return self.loader.items

    @property
    def names(self) -> Names:
        """The keys of its items."""
        return self.loader.names

    @property
    def overflow(self) -> Overflow:
        """The long texts of its items."""
        return self.loader.overflow

    def paths(self) -> Sequence[str]:
        """Every path, in pre-order."""
        return self.loader.paths(self.tree_name)[0]

    def path_set(self) -> frozenset[str]:
        """Every path."""
        return self.loader.paths(self.tree_name)[1]

    def image(self, path: str) -> Attributes:
        """The attributes of a record's item, as the record is now."""
        record = self.current[path]
        own = {kind: self.timers[kind, path, ""] for kind in RECORD_TIMERS if (kind, path, "") in self.timers}
        return codec.record_image(record, self.id, path, own, self.places.get(path), self.names)

    def header_image(self) -> Attributes:
        """The attributes of the header's item, as the state is now; long texts among them."""
        own = {codec.timer_name(key): at for key, at in self.timers.items() if key[1] == HEADER}
        return codec.header_image(self, own, self.names)

    @property
    def stored(self) -> StoredRecords:
        """The records that were read."""
        return self._stored

    _stored: StoredRecords

    @property
    def current(self) -> dict[str, Record]:
        """The records as they are now: those that were looked at, or all those of an instance that was updated."""
        records: Any = self.records
        return records if isinstance(records, dict) else self.stored.current

    def changes(self) -> Iterator[tuple[str, Tally | None, Record | None]]:
        """Every record that was looked at: its path, what the header counts of it as read, what it is now."""
        now = self.current
        for path, tally in self.stored.tallies.items():
            yield path, tally, now.get(path)
        for path, record in now.items():
            if path not in self.stored.tallies:
                yield path, None, record

    def stands(self, path: str) -> bool:
        """Whether a task stands in its lane."""
        return self.records.get(path) is not None and super().stands(path)

    def counts(self) -> Counter[TaskStatus]:
        """Number of records by status."""
        before = json.loads(str(self.attributes.get("counts", "{}")))
        counts = Counter({TaskStatus(status): number for status, number in before.items()})
        for _, tally, record in self.changes():
            if tally is not None:
                counts[tally.status] -= 1
            if record is not None:
                counts[record.status] += 1
        return counts

    def untolerated(self) -> int:
        """Number of failures that do not let the flow go on."""
        count = int(cast(int, self.attributes.get("untolerated", 0)))
        for _, tally, record in self.changes():
            count -= tally is not None and tally.untolerated
            count += record is not None and Tally.of(record).untolerated
        return count

    def has_untolerated(self) -> bool:
        """Whether there is a failure that does not let the flow go on."""
        return self.untolerated() > 0

    def updating(self) -> list[str]:
        """The paths of the tasks that have recorded updaters."""
        found = set(json.loads(str(self.attributes.get("updating", "[]"))))
        for path, _, record in self.changes():
            found.discard(path)
            if record is not None and record.updaters is not None:
                found.add(path)
        return sorted(found)

    def updaters(self) -> dict[str, JsonText]:
        """The recorded updaters of the tasks that have any."""
        paths = self.updating()
        if paths and self.current is self.stored.current:
            self.stored.read(paths)
        found = {path: self.records[path].updaters for path in paths}
        return {path: text for path, text in found.items() if text is not None}

    def header(self) -> Instance:
        """The header."""
        if not self.data:
            self.define()
        return super().header()

    def define(self) -> None:
        """Read data and base context."""
        known = self.loader.definition(self.tree_name)
        self.data, self.base_context = str(known["data"]), str(known["baseContext"])
