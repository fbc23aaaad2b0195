"""Hooks: functions called when something happened to an instance (features S51 to S53)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from jobs_flow.backends.perform import ends_the_process

logger = logging.getLogger("jobs_flow.engine")

F = TypeVar("F", bound=Callable[..., Any])


class Hook:
    """A list of functions, and a decorator that adds to it: ``@jobs.on_complete``.

    Functions are called with keyword arguments, in the process where it happened: a worker, usually.
    What one raises is logged and stops neither the others nor the run.
    """

    def __init__(self, name: str, arguments: str) -> None:
        self.name = name
        self.__doc__ = f"Called with keyword arguments {arguments}."
        self._functions: list[Callable[..., Any]] = []

    def __call__(self, function: F) -> F:
        """Add ``function``; usable as a decorator."""
        self.connect(function)
        return function

    def connect(self, function: Callable[..., Any]) -> None:
        """Add ``function`` unless it is there already."""
        if function not in self._functions:
            self._functions.append(function)

    def disconnect(self, function: Callable[..., Any]) -> None:
        """Remove ``function`` if it is there."""
        if function in self._functions:
            self._functions.remove(function)

    @property
    def connected(self) -> bool:
        """Whether anybody is to be called."""
        return bool(self._functions)

    def fire(self, **arguments: Any) -> None:
        """Call every function."""
        for function in tuple(self._functions):
            try:
                function(**arguments)
            except BaseException as error:
                # ``sys.exit()`` in one must end neither a run nor the thread that recovers.
                if ends_the_process(error):
                    raise
                logger.exception("a function connected to %s failed", self.name)
