"""Many workers that do the same thing at the same moment: threads of this process, or processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, Protocol, Self

from jobs_flow.storages.base import Storage

#: Seconds after which a worker that waits for the others gives up.
PATIENCE = 60.0

#: Called by all workers between two steps: it returns when the last of them has called it.
Meet = Callable[[], object]
#: One worker's part, a function that can be pickled by its name: ``job(storage, number, meet, *arguments)``.
Job = Callable[..., Any]


class Crowd(Protocol):
    """So many workers."""

    @property
    def size(self) -> int:
        """How many there are."""

    def together(self, job: Job, *arguments: Any) -> list[Any]:
        """What the job answered each of them."""


class Threads:
    """Threads that share one storage."""

    size = 8

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def together(self, job: Job, *arguments: Any) -> list[Any]:
        """What the job answered each of them."""
        barrier = threading.Barrier(self.size, timeout=PATIENCE)

        def work(number: int) -> Any:
            try:
                barrier.wait()
                return job(self._storage, number, barrier.wait, *arguments)
            except BaseException:
                barrier.abort()
                raise

        with ThreadPoolExecutor(self.size) as pool:
            return _answers([pool.submit(work, number) for number in range(self.size)])


class Processes:
    """Processes that are started anew, know nothing of each other, and open the storage by themselves."""

    size = 4

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._barrier = context.Barrier(self.size, timeout=PATIENCE)
        self._pool = ProcessPoolExecutor(self.size, mp_context=context, initializer=_keep, initargs=(self._barrier,))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def of(self, open_again: Callable[[], Storage]) -> Crowd:
        """The processes, with the storage of one test."""
        return _ProcessesOf(self, open_again)

    def together(self, open_again: Callable[[], Storage], job: Job, *arguments: Any) -> list[Any]:
        """What the job answered each of them."""
        self._barrier.reset()
        # Each process gets one: none comes past the barrier before all of them have something to do.
        calls = [self._pool.submit(_work, open_again, job, number, *arguments) for number in range(self.size)]
        return _answers(calls)


class _ProcessesOf:
    def __init__(self, processes: Processes, open_again: Callable[[], Storage]) -> None:
        self._processes = processes
        self._open_again = open_again
        self.size = processes.size

    def together(self, job: Job, *arguments: Any) -> list[Any]:
        return self._processes.together(self._open_again, job, *arguments)


#: The barrier of this process, if it is one of ``Processes``.
_barrier: Barrier | None = None


def _keep(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _work(open_again: Callable[[], Storage], job: Job, number: int, *arguments: Any) -> Any:
    barrier = _barrier
    assert barrier is not None
    storage = open_again()
    try:
        storage.ping()
        barrier.wait()
        return job(storage, number, barrier.wait, *arguments)
    except BaseException:
        barrier.abort()
        raise
    finally:
        storage.close()


def _answers(calls: list[Any]) -> list[Any]:
    """All answers; of several errors the one that the others, who waited in vain, come from."""
    errors = [error for call in calls if (error := call.exception(2 * PATIENCE)) is not None]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    if errors:
        raise errors[0]
    return [call.result() for call in calls]
