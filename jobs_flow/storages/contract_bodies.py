"""Large values beside the records: the part of the contract of a storage that keeps them. See ``base``.

A value too long for a record is written in chunks under a name of its own, and the record says its name
(``bodies.Reference``). A name is written once and never changed, so a reader needs no lock. Chunks are bytes; what
they mean, how long they are and whether they came whole is ``bodies``' to know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

#: Bytes of a chunk, at most: every storage takes as much in one item.
CHUNK_BYTES = 256 * 1024


class Chunks(ABC):
    """Chunks of large values, by instance and name."""

    @abstractmethod
    def add_body(self, instance_id: str, name: str) -> bool:
        """Announce a body; False, and nothing is noted, when there is no such instance.

        Announced before its first chunk is written, so that whoever deletes the instance knows of it. Twice is once.
        ``name``: 1 to 200 characters of ``[A-Za-z0-9._-]``.
        """

    @abstractmethod
    def write_chunk(self, instance_id: str, name: str, number: int, data: bytes) -> None:
        """Write chunk ``number``, 0 and up, of at most CHUNK_BYTES; written again it is replaced."""

    @abstractmethod
    def read_chunk(self, instance_id: str, name: str, number: int) -> bytes | None:
        """A chunk; None when it is not there."""

    @abstractmethod
    def list_bodies(self, instance_id: str) -> list[str]:
        """The names of the bodies that were announced and not removed, in no order."""

    @abstractmethod
    def remove_bodies(self, instance_id: str, names: Sequence[str]) -> None:
        """Remove bodies with all their chunks; unknown names are no error. ``delete_instance`` removes all."""
