"""How keys are spread over a Redis cluster: partitions, each of which lies in one slot. Pure.

A script may touch keys of one slot only, and a transition touches keys of its instance and what all instances share:
timers, lanes, keys, the order of creation. So all of that exists once in each partition, and an instance is in one
of them for life. A server that is no cluster has one partition, and its keys have no name of a partition in them.
"""

from __future__ import annotations

from binascii import crc32, crc_hqx

from jobs_flow.errors import ConfigurationError
from jobs_flow.ids import new_instance_id
from jobs_flow.storages import redis_codec as codec

#: Of a cluster. That many fit on any number of nodes that one starts with, and asking each costs little.
DEFAULT_PARTITIONS = 16
#: An operation on all instances asks each of them.
MOST_PARTITIONS = 256
SLOTS = 16384


def slot_of(tag: str) -> int:
    """The slot of all keys whose part in braces is ``tag``."""
    return crc_hqx(tag.encode(), 0) % SLOTS


def tags(count: int) -> list[str]:
    """A text for each of ``count`` partitions, so that their slots are spread evenly. Never to be changed.

    The slots are divided into as many bands, in their order, and number n is in the nth: nodes that hold equal ranges
    of slots hold equally many partitions, give or take one.
    """
    found = []
    for number in range(count):
        attempt = 0
        while slot_of(tag := f"{number}.{attempt}") * count // SLOTS != number:
            attempt += 1
        found.append(tag)
    return found


class Partitions:
    """The partitions of a storage, by what their keys begin with.

    :param prefix: of every key.
    :param count: how many a cluster has; None for a server that is none.
    """

    def __init__(self, prefix: str, count: int | None = None) -> None:
        if count is not None and "{" in prefix:
            raise ConfigurationError(setting="storage", reason="in a cluster a prefix may have no { in it")
        self._prefix = prefix
        self.prefixes = (prefix,) if count is None else tuple(f"{prefix}{{{tag}}}:" for tag in tags(count))
        #: The key that says how many there are; None where there is nothing to say.
        self.marker = None if count is None else codec.key(f"{prefix}workflowPartitions")

    def __len__(self) -> int:
        return len(self.prefixes)

    def of(self, instance_id: str) -> str:
        """What all keys about an instance begin with."""
        return self.prefixes[0] if len(self.prefixes) == 1 else self.prefixes[self._number(instance_id)]

    def of_key(self, realm: str, key: str) -> str:
        """What all keys begin with about instances of this realm and key, whatever their workflow."""
        return self.prefixes[0] if len(self.prefixes) == 1 else self.prefixes[self._number(f"{realm}\n{key}")]

    def new_id(self, realm: str, key: str | None) -> str:
        """An id of an instance that can have this key."""
        while key is not None and self.of(found := new_instance_id()) != self.of_key(realm, key):
            pass
        return new_instance_id() if key is None else found

    def channel(self, instance_id: str) -> bytes:
        """The stream of an instance's events, and the channel that each is published on."""
        return codec.key(f"{self.of(instance_id)}workflowEvents_{instance_id}")

    def instance_of(self, channel: bytes) -> str:
        """The id of the instance that a channel is of."""
        # The name of a partition has no such text in it, and an id has nothing after it.
        return codec.name(channel[len(codec.key(self._prefix)) :].partition(b"workflowEvents_")[2])

    def _number(self, text: str) -> int:
        return crc32(codec.key(text)) % len(self.prefixes)
