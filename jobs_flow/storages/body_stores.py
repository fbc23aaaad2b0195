"""External stores of large values: a directory that all processes share, or a bucket; chosen by URL.

A store keeps immutable objects under names like ``<instance>/<name>``, of ``[A-Za-z0-9._-]``. Which objects there are
is known by the storage of the records (``bodies``), so a store need not be able to list them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, runtime_checkable
from urllib.parse import unquote, urlsplit

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.contract_bodies import CHUNK_BYTES

#: How errors name the setting.
SETTING = "bodies"
#: Times a file is created in a folder that others remove when it is empty.
FOLDER_ATTEMPTS = 10

T = TypeVar("T")


@runtime_checkable
class BodyStore(Protocol):
    """Where large values may be kept instead of the storage.

    Every method raises ``StorageUnavailable`` for what may pass, and ``ConfigurationError`` for what trying again would
    not change: a bucket that is not there, a permission that is missing.
    """

    #: Written into every reference, so that it is not looked for elsewhere: the same in every process. At most 300
    #: characters, no password.
    label: str

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write an object. It is there as a whole, and durable, or not at all."""

    def open(self, name: str) -> Iterator[bytes]:
        """The bytes of an object, in pieces. Raises ``FileNotFoundError`` when there is none."""

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; unknown names are no error."""


def create_body_store(url: Any) -> BodyStore | None:
    """The store that ``url`` names: ``s3://bucket/prefix?region=&endpoint=`` or ``file:///shared/dir``; None for None.

    Nothing is connected yet. Raises ``ConfigurationError``.
    """
    if url is None or (not isinstance(url, str) and isinstance(url, BodyStore)):
        return url
    scheme = url.partition(":")[0].lower() if isinstance(url, str) and ":" in url else ""
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
            raise ConfigurationError(setting=SETTING, reason="a directory is given as file:///its/path")
        return DirectoryStore(unquote(parts.path))
    if scheme == "s3":
        from jobs_flow.storages.body_stores_s3 import S3Store

        return S3Store.from_url(url)
    raise ConfigurationError(setting=SETTING, reason=f"{scheme or url!r} is no store; there are s3:// and file://")


def again_without_folder(create: Callable[[], T]) -> T:
    """What ``create`` gives; a few times more when somebody has just removed the folder it made, which was empty."""
    for _ in range(FOLDER_ATTEMPTS - 1):
        # Also said to exist, by ``mkdir``, when it was there and then was not.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return create()
    return create()


class DirectoryStore:
    """Files in a directory that every worker and every web process sees under the same path.

    It has to be there: one that this made by itself where nothing is mounted would be seen by one host only.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)
        self.label = f"file://{self._directory}"

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file beside its place, then put it there."""
        path, draft = self._paths(name)
        with self._reporting():
            with again_without_folder(lambda: self._created(draft)) as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)

    def open(self, name: str) -> Iterator[bytes]:
        """The file in chunks."""
        with self._reporting(), self._paths(name)[0].open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def delete(self, names: Sequence[str]) -> None:
        """Delete files, what a writer that died has left of them, and directories that are empty then."""
        folders = set()
        with self._reporting():
            for name in names:
                for path in self._paths(name):
                    path.unlink(missing_ok=True)
                    folders.add(path.parent)
        for folder in folders:
            # Not empty: others of the instance are there.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _created(self, draft: Path) -> BinaryIO:
        if not self._directory.exists():
            reason = "there is no such directory; make it, or mount it, on every host"
            raise StorageUnavailable(storage=self.label, reason=reason)
        draft.parent.mkdir(exist_ok=True)
        return draft.open("wb")

    def _paths(self, name: str) -> tuple[Path, Path]:
        """Where an object is, and where it is written."""
        folder, _, file = name.partition("/")
        return self._directory / folder / file, self._directory / folder / f".{file}.draft"

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise ConfigurationError(setting=SETTING, reason=f"{self.label}: {error.strerror}") from error
        except OSError as error:
            raise StorageUnavailable(storage=self.label, reason=error.strerror or type(error).__name__) from error
