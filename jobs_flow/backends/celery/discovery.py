"""Finds ``workflows`` modules beside a Celery application's own modules (feature S1).

Looked at once: in a worker when it imports its modules, elsewhere when a workflow is asked for that
nobody registered.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from celery import Celery
from celery.signals import import_modules
from celery.utils.imports import cwd_in_path

from jobs_flow.workflows.registry import Registry

MODULE = "workflows"


def install(app: Celery, registry: Registry) -> Callable[..., None]:
    """Have the modules found when they are needed; gives the receiver for ``uninstall``."""

    def discover(sender: Any = None, **_: Any) -> None:
        # The ``celery`` command takes the working directory off the path once it has found the application.
        with cwd_in_path():
            for name in candidates(app):
                _import(name)

    registry.add_discovery(discover)
    import_modules.connect(discover, sender=app, weak=False)
    return discover


def uninstall(app: Celery, discover: Callable[..., None]) -> None:
    """Undo ``install``."""
    import_modules.disconnect(discover, sender=app)


def candidates(app: Celery) -> Iterator[str]:
    """Module names where workflows may be declared, for each module the application names."""
    modules = [app.main, *app.conf.include, *app.conf.imports]
    seen: set[str] = set()
    for module in modules:
        if not module or module == "__main__":
            continue
        parent = module.rpartition(".")[0]
        for name in (f"{module}.{MODULE}", f"{parent}.{MODULE}" if parent else MODULE):
            if name not in seen:
                seen.add(name)
                yield name


def _import(name: str) -> None:
    try:
        found = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        # The parent is a module, not a package, or is not there: then there is nothing beside it.
        return
    if found is not None:
        importlib.import_module(name)
