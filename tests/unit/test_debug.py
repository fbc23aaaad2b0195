"""``JOBS_DEBUG`` (feature S59)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from jobs_flow import debug


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    known = [logging.getLogger(f"jobs_flow.{tag}") for tag in debug.TAGS]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in known]
    yield
    for logger, (level, propagate, handlers) in zip(known, before, strict=True):
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers


def verbose() -> set[str]:
    return {tag for tag in debug.TAGS if logging.getLogger(f"jobs_flow.{tag}").level == logging.DEBUG}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", set()), ("engine", {"engine"}), ("engine, storage", {"engine", "storage"}), ("*", set(debug.TAGS))],
)
def test_the_parts_that_are_named_become_verbose(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: set[str]
) -> None:
    monkeypatch.setenv("JOBS_DEBUG", value)
    debug.configure()
    debug.configure()
    assert verbose() == expected
    assert all(len(logging.getLogger(f"jobs_flow.{tag}").handlers) == 1 for tag in expected)


def test_a_part_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("JOBS_DEBUG", "motor")
    debug.configure()
    assert "'motor'; there are engine" in caplog.text
