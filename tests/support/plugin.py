"""The pytest plugin of this repository: servers before the settings are read, logs of processes beside a failure.

Loaded by ``-p`` in the configuration, because a ``conftest.py`` comes after pytest-django has read the settings.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

from tests.support import processes
from tests.support.servers import REDIS_URL, ServerMissing, Valkey, numbered

#: The URL of the Valkey that all tests share.
valkey_url = pytest.StashKey[str]()

_own_valkey = pytest.StashKey[Valkey]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the Valkey and put all that the example project's settings read into the environment."""
    # A slow machine refutes no property.
    settings.register_profile("jobs-flow", deadline=None)
    settings.load_profile("jobs-flow")
    directory = processes.session_directory()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    url = os.environ.get(REDIS_URL)
    if not url:
        try:
            server = Valkey(name="shared-valkey", watched=False).start()
        except ServerMissing as error:
            raise pytest.UsageError(str(error)) from None
        atexit.register(server.end)
        early_config.stash[_own_valkey] = server
        url = server.url
    else:
        # One that somebody else has started: what a process of a shared run empties is its own.
        url = numbered(url, 3 * processes.worker_number())
    early_config.stash[valkey_url] = url
    os.environ.update(
        # A database each, so that a test can empty the storage: an emptied broker forgets the bindings of
        # its queues, and messages vanish.
        # Celery reads the broker's URL by itself and prefers it to what an app says, so a test of an app
        # with a broker of its own takes the variable away.
        CELERY_BROKER_URL=url,
        JOBS_FLOW_STORAGE_URL=numbered(url, 1),
        CHANNEL_REDIS_URL=numbered(url, 2),
        DATABASE_URL=f"sqlite:///{directory}/test.sqlite3",
        TESTPROJECT_VAR=str(directory / "var"),
        DEMO_PACE="0",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Who shares the tests out among several processes, where that is asked for (``-n``)."""
    from tests.support.turns import TakingTurns

    return TakingTurns(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that takes the ``database`` fixture may use the one database that its parameter names, and no other.

    So code that forgets to ask the routers, in a transaction for instance, fails instead of using the default one.
    """
    for item in items:
        marker = item.get_closest_marker("django_db")
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        parameter = parameters.get("database")
        if parameter and marker and "databases" not in marker.kwargs:
            item.add_marker(pytest.mark.django_db(**{**marker.kwargs, "databases": [parameter]}), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget the logs of processes that ended with earlier tests."""
    processes.started[:] = [process for process in processes.started if process.running]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log beside a failure."""
    report = yield
    if report.failed:
        for process in processes.started:
            state = "running" if process.running else f"ended with {process.returncode}"
            report.sections.append((f"log of {process.name}, {state}", process.tail()))
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the Valkey."""
    if server := config.stash.get(_own_valkey, None):
        server.end()
