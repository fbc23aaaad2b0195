"""One test on two databases: a router that sends every model to the database of the running test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CurrentDatabase:
    """Where code under test that uses plain managers reads and writes.

    A plain class attribute, not a context variable: the database is that of the test, in all of its threads.
    """

    alias = "default"

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        """The database of the running test."""
        return self.alias

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        """The same."""
        return self.alias

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        """Every model is in every database."""
        return True


@contextmanager
def every_model_in(alias: str) -> Iterator[None]:
    """Send all models to that database inside the block."""
    before = CurrentDatabase.alias
    CurrentDatabase.alias = alias
    try:
        yield
    finally:
        CurrentDatabase.alias = before
