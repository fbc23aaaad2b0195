"""The keys of the table's items. Pure.

``Key`` begins as the keys of Redis do (features, key layout), so that what belongs together stands together and the
items of an instance are spread over several partitions:

- ``workflow_<id>``: ``#`` the header (after its deletion a tombstone, for a while), ``definition`` (data and base
  context), ``tree`` (the tree and its paths), ``redo#…`` (writes of a transition, committed and to be done);
- ``workflowTask_<id>``: a record for each path that was ever written; ``attempts_<id>``, ``logs_<id>``: earlier
  attempts and log lines by path and number; ``workflowEvents_<id>``: events by number;
- ``workflowBody_<id>``: ``a#<name>`` announces a body, ``c#<name>#<number>`` is a chunk of it, ``o#…`` a chunk of a
  text too long for its item;
- ``workflowKey_<digest>``: the instance that has a key; ``workflowLanes``: an item for each lane, with its mark;
  ``workflowRole_<role>``: who was elected.
"""

from __future__ import annotations

import hashlib
from zlib import crc32

from jobs_flow.storages.dynamodb.attributes import ItemKey
from jobs_flow.storages.texts import is_text

#: Parts of the indexes that everything writes to, as the service serves only so many writes of one hash key.
SHARDS = 4
#: Bytes of a name in a range key: the service takes 1 024, and numbers follow.
LONGEST = 700
HEADER = "#"

#: What belongs to one instance, beside its header.
FAMILIES = ("workflowTask_", "attempts_", "logs_", "workflowEvents_", "workflowBody_", "workflow_")


class Names:
    """The keys of items behind a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def of(self, family: str, instance_id: str) -> str:
        """The hash key of an instance's items of one family."""
        return f"{self.prefix}{family}{_short(instance_id)}"

    def header(self, instance_id: str) -> ItemKey:
        """The header."""
        return ItemKey(self.of("workflow_", instance_id), HEADER)

    def definition(self, instance_id: str) -> ItemKey:
        """Data and base context."""
        return ItemKey(self.of("workflow_", instance_id), "definition")

    def tree(self, instance_id: str) -> ItemKey:
        """The tree and its paths."""
        return ItemKey(self.of("workflow_", instance_id), "tree")

    def redo(self, instance_id: str, name: str, number: int) -> ItemKey:
        """A part of the writes of a transition."""
        return ItemKey(self.of("workflow_", instance_id), f"redo#{name}#{number:06d}")

    def task(self, instance_id: str, path: str) -> ItemKey:
        """A record."""
        return ItemKey(self.of("workflowTask_", instance_id), place(path))

    def event(self, instance_id: str, seq: int) -> ItemKey:
        """An event."""
        return ItemKey(self.of("workflowEvents_", instance_id), numbered(seq))

    def attempt(self, instance_id: str, path: str, number: int) -> ItemKey:
        """An earlier attempt."""
        return ItemKey(self.of("attempts_", instance_id), f"{place(path)}\n{numbered(number)}")

    def log(self, instance_id: str, path: str, began: int, first: int) -> ItemKey:
        """Log lines of the run that began so, from line ``first`` on."""
        return ItemKey(self.of("logs_", instance_id), f"{place(path)}\n{numbered(began)}\n{numbered(first)}")

    def body(self, instance_id: str, sort: str) -> ItemKey:
        """A part of a large value."""
        return ItemKey(self.of("workflowBody_", instance_id), sort)

    def key(self, workflow: str, realm: str, key: str) -> ItemKey:
        """Which instance has a key."""
        text = "\n".join(f"{len(part)} {part}" for part in (workflow, realm, key))
        return ItemKey(f"{self.prefix}workflowKey_{_digest(text)}", HEADER)

    def lanes(self) -> str:
        """The hash key of all lanes."""
        return f"{self.prefix}workflowLanes"

    def lane(self, lane: str) -> ItemKey:
        """A lane."""
        return ItemKey(self.lanes(), f"lane {place(lane)}")

    def role(self, role: str) -> ItemKey:
        """Who was elected."""
        return ItemKey(f"{self.prefix}workflowRole_{role}", HEADER)

    # -- hash keys of indexes ----------------------------------------------------------------

    def due_shard(self, instance_id: str, kind: str = "due") -> str:
        """Where the timers of an instance stand."""
        return f"{self.prefix}{kind}{shard(instance_id)}"

    def due_shards(self, kind: str = "due") -> list[str]:
        """All of them."""
        return [f"{self.prefix}{kind}{number}" for number in range(SHARDS)]

    def lane_shard(self, lane: str, path: str) -> str:
        """Where a queued task stands."""
        return f"{self.prefix}lane{shard(path)} {place(lane)}"

    def lane_shards(self, lane: str) -> list[str]:
        """All places of a lane."""
        return [f"{self.prefix}lane{number} {place(lane)}" for number in range(SHARDS)]

    def list_shard(self, instance_id: str) -> str:
        """Where an instance is listed."""
        return f"{self.prefix}workflows{shard(instance_id)}"

    def list_shards(self) -> list[str]:
        """All of them."""
        return [f"{self.prefix}workflows{number}" for number in range(SHARDS)]

    def realm(self, realm: str) -> str:
        """Where the instances of a realm are listed."""
        return f"{self.prefix}workflowsRealm_{place(realm)}"


def shard(text: str) -> int:
    """The same number, 0 to SHARDS - 1, for the same text everywhere."""
    return crc32(text.encode("utf-8", "surrogatepass")) % SHARDS


def numbered(number: int) -> str:
    """A number that sorts as text."""
    return f"{number:012d}"


def place(text: str) -> str:
    """A text as a part of a range key: itself, or where it is too long, empty, or no text, what stands for it."""
    encoded = text.encode("utf-8", "surrogatepass")
    if text and len(encoded) <= LONGEST and is_text(text):
        return text
    return f"~{_digest(text)}"


def _short(instance_id: str) -> str:
    short = len(instance_id.encode("utf-8", "surrogatepass")) <= LONGEST
    return instance_id if short and is_text(instance_id) else f"~{_digest(instance_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
