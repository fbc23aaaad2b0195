"""Large values: too long for a record, they are kept beside it, and the record says where.

The text of a record is JSON, or the text of a ``Reference``. ``Bodies`` makes the one into the other: whoever writes
a record has its texts kept first, whoever wants a value has it loaded. Everything between them (transitions,
scripts, events, messages) handles short texts only.

A value is written under a name of its own before the record that refers to it, and never changed. The names are
announced in the storage (``contract_bodies``), also of what is kept in an external store, so that whatever dies in
between, its chunks are found: by the next run of the same tasks (``tidy``), or when the instance is destroyed
(``forget``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from jobs_flow.errors import BodyLost, InstanceNotFound, JobsFlowError, StorageUnavailable, TooLarge, kind_of
from jobs_flow.storages.body_cache import CACHE_BYTES, TextCache
from jobs_flow.storages.body_stores import BodyStore
from jobs_flow.storages.contract_bodies import CHUNK_BYTES, Chunks
from jobs_flow.storages.records import Input

logger = logging.getLogger("jobs_flow.bodies")

#: What the text of a reference begins with. No JSON text does.
MARK = "\x01"
#: ``Reference.at`` of what is kept in chunks in the storage of the record.
IN_STORAGE = "storage"
#: Texts up to this many bytes always stay in their record: events and snapshots show them (VIEW_BODY_LIMIT).
LEAST_THRESHOLD = 4096
#: The name that is announced before what an external store has of an instance is removed.
CLOSING = "closing"
#: What is made of a path that no single task has: its bodies go with the instance only.
SHARED = ""

_NAME = re.compile(r"(\d+)\.([0-9a-f]{16})\.([a-z]+)\.[0-9a-f]+\.([sx])")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How long the values of users may be, in bytes of JSON."""

    #: What the values of one record may have together before the longest of them are kept beside it.
    threshold: int = 256 * 1024
    #: What a single value may have at all.
    limit: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a large value stands: what a record has in place of its JSON text."""

    #: Bytes of the JSON text in UTF-8, and their SHA-256 in hex.
    length: int
    sha256: str
    name: str
    #: ``storage``, or the label of the external store.
    at: str = IN_STORAGE

    @property
    def text(self) -> str:
        """What the record has: U+0001 and compact JSON, the length first."""
        fields = {"length": self.length, "sha256": self.sha256, "name": self.name, "at": self.at}
        return MARK + json.dumps(fields, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """The reference whose text is ``text``."""
        fields = json.loads(text[1:])
        return cls(int(fields["length"]), fields["sha256"], fields["name"], fields["at"])


def is_reference(text: str | bytes | None) -> bool:
    """Whether a text of a record is that of a reference."""
    return text is not None and (text.startswith(MARK) if isinstance(text, str) else text.startswith(b"\x01"))


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8; of a reference those of the value that it stands for."""
    if text.startswith(MARK):
        return Reference.parse(text).length
    return len(text) if text.isascii() else len(text.encode())


def check_size(where: str, text: str, limit: int) -> None:
    """Raise ``TooLarge`` for a JSON text of more than ``limit`` bytes."""
    # No character has more than four bytes.
    if len(text) * 4 > limit and (size := size_of(text)) > limit:
        raise TooLarge(where=where, size=size, limit=limit)


class Bodies:
    """Keeps and loads the large values of one process. For any number of threads; a forked child may go on with it."""

    def __init__(
        self,
        get_storage: Callable[[], Chunks],
        get_limits: Callable[[], BodyLimits] = BodyLimits,
        get_store: Callable[[], BodyStore | None] = lambda: None,
    ) -> None:
        self._get_storage = get_storage
        self._get_limits = get_limits
        self._get_store = get_store
        self._cache = TextCache(CACHE_BYTES)

    # -- writing -----------------------------------------------------------------------------

    def keep(
        self, instance_id: str, run: int, path: str, texts: Mapping[str, str | None], *, spent: int = 0
    ) -> tuple[dict[str, str | None], list[str]]:
        """The texts of one record as it is to hold them, and the references among them that are new.

        ``texts`` by what they are (``body``, ``argument`` …: lower-case letters). While they are longer together than
        the threshold allows, of which ``spent`` bytes are used up, the longest is kept beside the record; the same
        text twice is kept once. References stay as they are. ``run`` and ``path`` are those of the record, ``SHARED``
        of several.

        Raises ``TooLarge`` over the hard limit, and ``InstanceNotFound`` when the instance is gone; nothing is kept
        then. Costs nothing but a comparison where all is short.
        """
        kept, limits = dict(texts), self._get_limits()
        if spent + 4 * sum(len(text) for text in texts.values() if text is not None) <= limits.threshold:
            return kept, []
        sizes = {what: size_of(text) for what, text in texts.items() if text is not None and not text.startswith(MARK)}
        for what, size in sizes.items():
            if size > limits.limit:
                raise TooLarge(where=f"the {_WORDS.get(what, what)}", size=size, limit=limits.limit)
        left, written = spent + sum(sizes.values()), dict[str, str]()
        try:
            for what in sorted(sizes, key=lambda what: sizes[what], reverse=True):
                if left <= limits.threshold or sizes[what] <= LEAST_THRESHOLD:
                    break
                text = texts[what]
                assert text is not None
                if text not in written:
                    written[text] = self._write(instance_id, run, path, what, text.encode()).text
                kept[what] = written[text]
                left -= sizes[what]
        except Exception:
            self.drop(instance_id, list(written.values()))
            raise
        return kept, list(written.values())

    def _write(self, instance_id: str, run: int, path: str, what: str, data: bytes) -> Reference:
        storage, store = self._get_storage(), self._get_store()
        place = "s" if store is None else "x"
        name = f"{run}.{_digest(path)}.{what}.{secrets.token_hex(8)}.{place}"
        at = IN_STORAGE if store is None else store.label
        reference = Reference(len(data), hashlib.sha256(data).hexdigest(), name, at)
        if not storage.add_body(instance_id, name):
            raise InstanceNotFound(instance_id=instance_id)
        try:
            if store is None:
                for number, chunk in enumerate(_chunks(data)):
                    storage.write_chunk(instance_id, name, number, chunk)
            else:
                store.write(_object_name(instance_id, name), _chunks(data))
                self._check_announced(instance_id, name)
        except Exception:
            self.drop(instance_id, [reference.text])
            raise
        return reference

    def _check_announced(self, instance_id: str, name: str) -> None:
        """Raise when what was just written was, or may have been, overlooked by somebody who destroys the instance."""
        names = self._get_storage().list_bodies(instance_id)
        if name not in names:
            raise InstanceNotFound(instance_id=instance_id)
        if CLOSING in names:
            raise BodyLost(instance_id=instance_id, name=name, reason="the instance is being destroyed")

    # -- reading -----------------------------------------------------------------------------

    def load(self, instance_id: str, text: str) -> str:
        """The JSON text that a text of a record stands for: itself, or what it refers to.

        Raises ``BodyLost`` when that is not there, or is not what was written.
        """
        return self.read(instance_id, Reference.parse(text)) if text.startswith(MARK) else text

    def read(self, instance_id: str, reference: Reference) -> str:
        """The JSON text of a large value. Raises as ``load`` does."""
        key = (instance_id, reference.name)
        known = self._cache.get(key)
        if known is not None:
            return known
        data = bytearray()
        for chunk in self._open(instance_id, reference):
            data += chunk
        reason = ""
        if len(data) != reference.length:
            reason = f"{len(data)} bytes of {reference.length} are there"
        elif hashlib.sha256(data).hexdigest() != reference.sha256:
            reason = "its bytes have changed since they were written"
        if reason:
            raise BodyLost(instance_id=instance_id, name=reference.name, reason=reason)
        text = data.decode()
        self._cache.put(key, text)
        return text

    def inputs(self, instance_id: str, inputs: Mapping[str, Input]) -> dict[str, Input]:
        """Inputs whose values are the JSON texts that theirs stand for. Raises as ``load`` does."""
        return {
            path: replace(given, value=self.load(instance_id, given.value)) if given.value is not None else given
            for path, given in inputs.items()
        }

    def value(self, instance_id: str, field: Any) -> Any:
        """A field of ``Storage.get_task`` in full: the value of a ``Reference``, anything else as it is."""
        return json.loads(self.read(instance_id, field)) if isinstance(field, Reference) else field

    def beginning(self, instance_id: str, reference: Reference, characters: int) -> str:
        """The first characters of the JSON text of a large value, of its first chunk. Raises as ``load`` does."""
        chunk = next(iter(self._open(instance_id, reference)), b"")
        return bytes(chunk).decode("utf-8", "ignore")[:characters]

    def _open(self, instance_id: str, reference: Reference) -> Iterator[bytes]:
        """The chunks of a value, as far as they are there."""
        if _NAME.fullmatch(reference.name) is None:
            # In a store it is a part of a path.
            raise BodyLost(instance_id=instance_id, name=reference.name, reason="nothing is ever kept under this name")
        if reference.at == IN_STORAGE:
            storage = self._get_storage()
            number, left = 0, reference.length
            while left > 0 and (chunk := storage.read_chunk(instance_id, reference.name, number)):
                yield chunk
                number, left = number + 1, left - len(chunk)
            return
        store = self._get_store()
        if store is None or store.label != reference.at:
            here = "no external store is configured here" if store is None else f"here it is {store.label}"
            reason = f"it is kept in {reference.at}, and {here}"
            raise BodyLost(instance_id=instance_id, name=reference.name, reason=reason)
        try:
            yield from store.open(_object_name(instance_id, reference.name))
        except FileNotFoundError:
            reason = f"it is not in {reference.at}"
            raise BodyLost(instance_id=instance_id, name=reference.name, reason=reason) from None

    def are_away(self, error: BaseException) -> bool:
        """Whether ``error`` says that the external store cannot be reached; the storage of the records may be there."""
        if not isinstance(error, StorageUnavailable):
            return False
        store = self._get_store()
        return store is not None and error.storage == store.label

    # -- removing ----------------------------------------------------------------------------

    def drop(self, instance_id: str, texts: Iterable[str | None]) -> None:
        """Remove what references stand for, after the record that was to hold them was refused.

        Raises nothing: what stays is found later.
        """
        names = [Reference.parse(text).name for text in texts if text is not None and text.startswith(MARK)]
        try:
            self._remove(instance_id, names)
        except JobsFlowError as error:
            logger.warning("%s: %d large values are removed later: %s", instance_id, len(names), kind_of(error))

    def tidy(self, instance_id: str, run: int, paths: Iterable[str]) -> None:
        """Remove what runs before ``run`` have kept of the records at ``paths``, which were reset. Raises nothing."""
        reset = {_digest(path) for path in paths}
        self._tidy(instance_id, lambda number, digest: number < run and digest in reset)

    def tidy_others(self, instance_id: str, run: int, paths: Iterable[str]) -> None:
        """Remove what runs up to ``run`` have kept of records at other paths, which are no more. Raises nothing.

        Not of later runs: the next update may have brought a path back.
        """
        present = {_digest(path) for path in (*paths, SHARED)}
        self._tidy(instance_id, lambda number, digest: number <= run and digest not in present)

    def _tidy(self, instance_id: str, is_garbage: Callable[[int, str], bool]) -> None:
        try:
            found = [(name, _NAME.fullmatch(name)) for name in self._get_storage().list_bodies(instance_id)]
            garbage = [name for name, parts in found if parts is not None and is_garbage(int(parts[1]), parts[2])]
            self._remove(instance_id, garbage)
        except JobsFlowError as error:
            logger.warning("%s: large values of earlier runs are removed later: %s", instance_id, kind_of(error))

    def external(self, instance_id: str) -> list[str]:
        """The names of what an external store has of an instance, for ``delete_external``.

        Raises as the store does while it cannot delete: once the instance is gone, nobody knows of what is left there.
        """
        names, store = _external(self._get_storage().list_bodies(instance_id)), self._get_store()
        if names and store is not None:
            # There is none: only whether it is taken.
            store.delete([_object_name(instance_id, CLOSING)])
        return names

    def delete_external(self, instance_id: str, names: Sequence[str]) -> None:
        """Remove what ``external`` gave, after the instance was deleted. Raises nothing: what stays is logged."""
        store = self._get_store()
        if store is None:
            _log_left_behind(instance_id, len(names), "none is configured here")
            return
        try:
            store.delete([_object_name(instance_id, name) for name in names])
        except JobsFlowError as error:
            _log_left_behind(instance_id, len(names), kind_of(error))

    def forget(self, instance_id: str) -> None:
        """Remove what an external store has of an instance that is about to be deleted from the storage.

        Before, not after: a crash between the two leaves an instance that is there to be destroyed again. Whoever
        writes at the same time has either announced it before the names are read here, so that it is removed; or
        finds CLOSING afterwards, and removes it himself.
        """
        storage, store = self._get_storage(), self._get_store()
        if store is not None and not storage.add_body(instance_id, CLOSING):
            return
        external = _external(storage.list_bodies(instance_id))
        if store is None:
            _log_left_behind(instance_id, len(external), "none is configured here")
            return
        store.delete([_object_name(instance_id, name) for name in external])

    def _remove(self, instance_id: str, names: Sequence[str]) -> None:
        """Remove bodies; the names last, so that after a crash they are still known."""
        if not names:
            return
        store, external = self._get_store(), _external(names)
        if store is not None and external:
            store.delete([_object_name(instance_id, name) for name in external])
        elif external:
            names = [name for name in names if name not in external]
        self._get_storage().remove_bodies(instance_id, names)


#: How errors call the texts of a record.
_WORDS = {"body": "result", "updaters": "context updaters"}


def _log_left_behind(instance_id: str, count: int, reason: str) -> None:
    if count:
        logger.error("%s is deleted, but not its %d values in an external store: %s", instance_id, count, reason)


def _digest(path: str) -> str:
    """What the names of bodies have of the path of their task, which may be of any length and alphabet."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _chunks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))


def _external(names: Iterable[str]) -> list[str]:
    return [name for name in names if (parts := _NAME.fullmatch(name)) is not None and parts[4] == "x"]


def _object_name(instance_id: str, name: str) -> str:
    """The name of a body in an external store, safe as a path in any of them."""
    safe = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", instance_id)
    folder = instance_id if safe else "id-" + hashlib.sha256(instance_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{folder}/{name}"
