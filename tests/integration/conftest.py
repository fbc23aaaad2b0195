"""The engine's Celery project, on a Valkey of its own, as the tests and their workers see it."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.support.processes import Worker
from tests.support.servers import Valkey

ENGINE = "tests.integration.apps.engine"


@pytest.fixture
def import_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Imports the module anew: ``import_engine(broker=url, storage=url, results=url)``."""
    modules: list[ModuleType] = []

    def load(**urls: str) -> ModuleType:
        # Celery lets these two variables win over what a project gives it.
        monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
        monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)
        for name, url in urls.items():
            monkeypatch.setenv(f"ENGINE_{name.upper()}", url)
        sys.modules.pop(ENGINE, None)
        modules.append(importlib.import_module(ENGINE))
        return modules[-1]

    yield load
    # Celery 5.6 asks the server once more for each result that is forgotten: let it, while there is one.
    gc.collect()
    for module in modules:
        module.jobs.close()
        module.app.close()
    sys.modules.pop(ENGINE, None)


@pytest.fixture
def engine(valkey: Valkey, import_engine: Callable[..., ModuleType]) -> ModuleType:
    """The module with broker, storage and results on this test's own server."""
    names = ("broker", "storage", "results")
    return import_engine(**{name: f"redis://127.0.0.1:{valkey.port}/{n}" for n, name in enumerate(names)})


@pytest.fixture
def start_engine(engine: ModuleType, start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """Starts a worker of it."""
    return lambda **options: start_worker(ENGINE, **options)
