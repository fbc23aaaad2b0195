"""What became of a state, as writes of its items. Reads nothing but the logs of attempts that are to be kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from jobs_flow.ids import new_token
from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey, Pointer, Value, Write
from jobs_flow.storages.dynamodb.overflow import INLINE
from jobs_flow.storages.dynamodb.states import StoredState
from jobs_flow.storages.dynamodb.stored import PutBack, StoredAttempts, StoredLogs, write_put_backs
from jobs_flow.storages.memory_records import Record
from jobs_flow.storages.records import ATTEMPTS_KEPT, LOG_LINES_KEPT

#: Items and bytes that go into one transaction; the service takes 100 and 4 MB.
MOST_ITEMS = 90
MOST_BYTES = 3_000_000
#: Records that are put back by writing each; more of them by a word in the header.
PUT_BACK_SINGLY = 25
#: Such words that a header has at most.
PUT_BACKS = 20

#: Log lines in one item, at most.
LINES_AN_ITEM = 500

#: More than the number of any line.
LAST = 10**12 - 1

#: Attributes that are no part of an image.
_OWN = frozenset({"Key", "Sort", "ver", "attempts", "logBegan"})


class Change:
    """How the change of a state is written; of one transition, however often it is tried.

    ``put_back``: the paths that the transition puts back.
    """

    def __init__(self, put_back: Sequence[str] = ()) -> None:
        self._put_back = frozenset(put_back)
        #: What the header says of whoever wrote it last.
        self.name = new_token()
        self.is_written = False
        #: What is done once it is written.
        self.after: list[Callable[[], None]] = []

    def of(self, state: StoredState) -> tuple[Write | None, list[Write]]:
        """The write of the header, None where nothing changes, and all others."""
        self.after = []
        version = state.version + 1
        history = self._history(state, version)
        lightly = self._put_back if history is not None else frozenset[str]()
        writes: list[Write] = []
        written: list[str] = []
        for path, tally, record in state.changes():
            if record is None:
                if state.stored.known.get(path):
                    writes.append(self._gone(state, path))
                continue
            image = state.image(path)
            if tally is not None and image == state.stored.images[path]:
                continue
            covered = any(each.covers(path) for each in state.put_backs)
            unwritten = not state.stored.known.get(path) and record.run == 0 and not covered
            if (path in lightly or unwritten) and image == _fresh(state, path, record.run):
                continue
            writes += self._record(state, path, record, image, version)
            written.append(path)
        header = self._header(state, version, history, bool(writes))
        return header and self._naming(state, header, written), writes

    @staticmethod
    def fits(writes: Sequence[Write]) -> bool:
        """Whether they go into one transaction."""
        return len(writes) <= MOST_ITEMS and sum(write.size() for write in writes) <= MOST_BYTES

    # -- the header --------------------------------------------------------------------------

    @staticmethod
    def _naming(state: StoredState, header: Write, written: Sequence[str]) -> Write:
        """The header with the paths that were written by what a snapshot cannot learn from its event."""
        if 0 < len(written) <= MOST_ITEMS and any('"reset":true' in text for _, text in state.emitted):
            return replace(header, put={**header.put, "wrote": codec.encode(written)})
        return replace(header, remove=[*header.remove, "wrote"]) if "wrote" in state.attributes else header

    def _history(self, state: StoredState, version: int) -> tuple[PutBack, ...] | None:
        """What the header then says was put back; None when records are to be put back singly."""
        if not self._put_back or not state.emitted:
            return None
        run = state.run if state.run != json.loads(str(state.attributes["run"])) else None
        if state.path_set() <= self._put_back:
            if run is not None:
                return (PutBack(version, run, None),)
            # Which run a record is of, those before say.
            return (*state.put_backs, PutBack(version, None, None)) if self._room(state) else None
        if len(self._put_back) <= PUT_BACK_SINGLY or not self._room(state):
            return None

        def is_covered(other: PutBack) -> bool:
            return run is not None and other.paths is not None and other.paths <= self._put_back

        return (*(each for each in state.put_backs if not is_covered(each)), PutBack(version, run, self._put_back))

    @staticmethod
    def _room(state: StoredState) -> bool:
        return len(state.put_backs) < PUT_BACKS

    def _header(
        self, state: StoredState, version: int, history: tuple[PutBack, ...] | None, changed: bool
    ) -> Write | None:
        image = state.header_image()
        counts = {status.value: number for status, number in state.counts().items() if number}
        image["counts"] = codec.encode(dict(sorted(counts.items())))
        if (untolerated := state.untolerated()) != 0:
            image["untolerated"] = untolerated
        if updating := state.updating():
            image["updating"] = codec.encode(updating)
        put_backs = state.put_backs if history is None else history
        if put_backs:
            image["putBacks"] = write_put_backs(put_backs) if history is not None else state.attributes["putBacks"]
        image["treeName"] = state.tree_name
        before = {name: value for name, value in state.attributes.items() if name in _HEADER}
        if image == before and not changed and not state.emitted:
            return None
        at = state.names.header(state.id)
        put, removed = self._difference(state, at, before, image)
        return Write(
            at,
            put | {"ver": version, "by": self.name},
            removed,
            condition="#v = :v AND attribute_not_exists(#p)",
            values={":v": state.version},
            names={"#v": "ver", "#p": "pending"},
        )

    # -- records -----------------------------------------------------------------------------

    def _gone(self, state: StoredState, path: str) -> Write:
        """The end of a record whose path is gone, and of all that was kept of it."""
        at, item = state.names.task(state.id, path), state.stored.known[path]
        pointers = [state.overflow.pointer(at, value) for value in item.values()]
        self._drop(state, pointers)
        self._forget_logs(state, path)
        count = cast(int, item.get("attempts", 0))
        if count:
            self._forget(state, *(state.names.attempt(state.id, path, n) for n in (1, count)))
        return Write(at, delete=True, **_unchanged(item))

    def _drop(self, state: StoredState, pointers: Iterable[Pointer | None]) -> None:
        """Delete texts afterwards."""
        found = [pointer for pointer in pointers if pointer is not None]
        if found:
            self.after.append(lambda: state.overflow.drop(found))

    def _forget(self, state: StoredState, first: ItemKey, last: ItemKey) -> None:
        """Delete items afterwards, from one to another, with their long texts."""

        def forget() -> None:
            found = list(state.items.query(first.key, first=first.sort, last=last.sort))
            state.overflow.drop(value for _, item in found for value in item.values() if isinstance(value, Pointer))
            state.items.delete_many(ItemKey(first.key, sort) for sort, _ in found)

        self.after.append(forget)

    def _record(self, state: StoredState, path: str, record: Record, image: Attributes, version: int) -> list[Write]:
        writes = []
        item = state.stored.known.get(path, {})
        own: Attributes = {"ver": version}
        attempts = record.attempts
        count = attempts.earlier if isinstance(attempts, StoredAttempts) else 0
        texts = attempts.texts() if isinstance(attempts, StoredAttempts) else list(attempts)
        for number, text in enumerate(texts, count + 1):
            at = state.names.attempt(state.id, path, number)
            writes.append(Write(at, state.overflow.spill(at, {"attempt": codec.storable(text)}), whole=True))
        if count + len(texts):
            own["attempts"] = count + len(texts)
        if texts and count + len(texts) > ATTEMPTS_KEPT:
            old = max(1, count - ATTEMPTS_KEPT + 1), count + len(texts) - ATTEMPTS_KEPT
            self._forget(state, *(state.names.attempt(state.id, path, n) for n in old))
        logs = record.logs
        began = logs.began if isinstance(logs, StoredLogs) else version
        lines = logs.new if isinstance(logs, StoredLogs) else list(logs)
        if record.log_count:
            own["logBegan"] = began
        writes += self._logs(state, path, record, began, lines)
        if item.get("logBegan", began) != began or ("logBegan" in item and not record.log_count):
            self._forget_logs(state, path)
        before = {name: value for name, value in item.items() if name not in _OWN}
        at = state.names.task(state.id, path)
        put, removed = self._difference(state, at, before, image)
        # Whole, with its text, is what a redo writes; a transaction writes what is different.
        rest = partial(_whole, state, at, image, own)
        writes.append(Write(at, put | own, removed, rest=rest, **_unchanged(item)))
        return writes

    def _logs(self, state: StoredState, path: str, record: Record, began: int, lines: Sequence[str]) -> list[Write]:
        writes = []
        first = record.log_count - len(lines)
        part: list[str] = []
        size = 0
        for number, line in enumerate(lines, first + 1):
            part.append(line)
            size += 4 * len(line) + 4
            if size > INLINE or len(part) == LINES_AN_ITEM or number == record.log_count:
                at = state.names.log(state.id, path, began, number - len(part))
                writes.append(Write(at, state.overflow.spill(at, {"lines": codec.encode(part)}), whole=True))
                part, size = [], 0
        too_old = record.log_count - LOG_LINES_KEPT - LINES_AN_ITEM
        if too_old > 0 and record.log_count // 1000 != first // 1000:
            self._forget(
                state, state.names.log(state.id, path, began, 0), state.names.log(state.id, path, began, too_old)
            )
        return writes

    def _forget_logs(self, state: StoredState, path: str) -> None:
        began = state.stored.known.get(path, {}).get("logBegan")
        if began is None:
            return
        first = state.names.log(state.id, path, cast(int, began), 0)
        self._forget(state, first, state.names.log(state.id, path, cast(int, began), LAST))

    def _difference(
        self, state: StoredState, at: ItemKey, before: dict[str, Value], image: Attributes
    ) -> tuple[Attributes, list[str]]:
        """What to set and what to remove; pointers that are of no use then are dropped afterwards."""
        changed = {name: value for name, value in image.items() if before.get(name) != value}
        removed = [name for name in before if name not in image]
        old = [state.overflow.pointer(at, before[name]) for name in (*changed, *removed) if name in before]
        in_use = {state.overflow.pointer(at, value) for value in image.values()}
        self._drop(state, (pointer for pointer in old if pointer not in in_use))
        return state.overflow.spill(at, changed), removed


def _unchanged(item: Attributes) -> dict[str, Any]:
    """The condition that an item is as it was read: what was read beside it may have been written sooner."""
    if "ver" not in item:
        return {"condition": "attribute_not_exists(#v)", "names": {"#v": "ver"}}
    return {"condition": "#v = :v", "values": {":v": item["ver"]}, "names": {"#v": "ver"}}


def _whole(state: StoredState, at: ItemKey, image: Attributes, own: Attributes) -> Attributes:
    return state.overflow.spill(at, image) | own


def _fresh(state: StoredState, path: str, run: int) -> Attributes:
    return codec.record_image(Record(run=run), state.id, path, {}, None, state.names)


#: Attributes of a header that follow from its state.
_HEADER = frozenset(
    [
        *(field.name for field in codec.HEADER),
        *("timers", "dueShard", "dueAt", "counts", "untolerated", "updating", "putBacks", "treeName"),
    ]
)
