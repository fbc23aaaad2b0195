"""Fixtures of the acceptance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.demo_process import Demo
from tests.support.eventually import eventually


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """A function that starts ``python -m testproject.demo`` with those arguments; the test leaves nothing of it."""
    demos: list[Demo] = []

    def start(*arguments: str, env: dict[str, str | None] | None = None) -> Demo:
        demos.append(Demo(tmp_path / "var", *arguments, env=env))
        return demos[-1].start()

    yield start
    for demo in demos:
        demo.end()
    # Killed, as by a user in a hurry: the guardians end what they have started.
    eventually(lambda: not any(demo.processes() for demo in demos), 60)
