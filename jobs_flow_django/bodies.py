"""Large values in one of the project's own storages, ``STORAGES[alias]``: files, a bucket, whatever it uses already."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.files import File
from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.body_stores import again_without_folder
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow_django.conf import key_name

#: The folder in the storage that holds nothing else.
FOLDER = "jobs_flow_bodies"


class DjangoBodyStore:
    """A ``jobs_flow.storages.body_stores.BodyStore`` on a storage of Django's.

    Raises ``ConfigurationError`` when ``STORAGES`` has no such alias, or its backend cannot be made.
    """

    def __init__(self, alias: str) -> None:
        try:
            self.storage: Storage = storages[alias]
        except InvalidStorageError as error:
            reason = f"{alias!r} is no storage of STORAGES that can be used: {error}"
            raise ConfigurationError(setting=key_name("BODIES"), reason=reason) from error
        self.label = f"django:{alias}"

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Save a file. Raises ``ConfigurationError`` for a storage that calls it otherwise."""
        wanted = f"{FOLDER}/{name}"
        try:
            data = b"".join(chunks)
            saved = again_without_folder(lambda: self.storage.save(wanted, File(io.BytesIO(data), name=wanted)))
        except Exception as error:
            raise self._reported(error) from error
        if saved.replace("\\", "/") != wanted:
            # It could not be found again.
            with suppress(Exception):
                self.storage.delete(saved)
            reason = f"the storage calls {wanted} {saved}; large values need one that keeps names"
            raise ConfigurationError(setting=key_name("BODIES"), reason=reason)

    def open(self, name: str) -> Iterator[bytes]:
        """The file in chunks."""
        try:
            with self.storage.open(f"{FOLDER}/{name}", "rb") as file:
                yield from file.chunks(CHUNK_BYTES)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise self._reported(error) from error

    def delete(self, names: Sequence[str]) -> None:
        """Delete files, one by one: Django's storages know no other way."""
        try:
            for name in names:
                self.storage.delete(f"{FOLDER}/{name}")
        except Exception as error:
            raise self._reported(error) from error
        if isinstance(self.storage, FileSystemStorage):
            for folder in {name.partition("/")[0] for name in names}:
                # Not empty, or not there.
                with suppress(OSError):
                    self.storage.delete(f"{FOLDER}/{folder}")

    def _reported(self, error: Exception) -> Exception:
        """What is raised for an error of a storage, whose kinds are its own."""
        kind = type(error).__name__
        if isinstance(error, PermissionError | SuspiciousOperation | ImproperlyConfigured | NotImplementedError):
            return ConfigurationError(setting=key_name("BODIES"), reason=f"the storage raises {kind}")
        return StorageUnavailable(storage=self.label, reason=kind)
