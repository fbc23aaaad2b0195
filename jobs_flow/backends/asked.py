"""What an existing task's own retry asks of its step."""

from __future__ import annotations


class RetryAsked(Exception):
    """A task asked to be tried again after ``delay`` seconds, because of ``cause``."""

    def __init__(self, delay: float, cause: BaseException | None = None) -> None:
        super().__init__(f"to be tried again in {delay:g} s")
        self.delay = delay
        self.cause = cause
