"""Workflow names -> generators; the same in every process that imports the same modules (features S1 to S4).

A generator is called with the instance's data and gives tasks; it is called again wherever the tree
is needed and never stored, so it must give the same tree for the same data.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, overload

from jobs_flow.errors import DefinitionError, UnknownWorkflow
from jobs_flow.workflows.definition import Workflow, parse_tasks
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.retention import Keep, keep_seconds

Generator = Callable[..., Any]
G = TypeVar("G", bound=Generator)

#: Stands for an example that was not given: None is one.
NO_EXAMPLE: Any = object()


class Registry:
    """The workflows that this process knows. Thread-safe."""

    def __init__(self) -> None:
        self._generators: dict[str, Generator] = {}
        #: Seconds, where a workflow says for how long its instances are kept.
        self._keeps: dict[str, float] = {}
        #: Data that a generator can be called with to see its tasks.
        self._examples: dict[str, Any] = {}
        self._discoverers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        # Of its own, and reentrant: what is discovered registers itself, and may ask for what is known.
        self._discovering = threading.RLock()

    def register(self, name: Any, source: Any, *, keep: Keep = None, example: Any = NO_EXAMPLE) -> None:
        """Know ``name``; the last registration wins.

        ``source`` is a generator ``fn(data)`` (or ``fn()``, or a coroutine function), or a list of tasks,
        which is checked at once. ``keep``: for how long instances are kept after their run, in seconds or as a
        ``timedelta``, ``math.inf`` for ever; None: as the application's default says. ``example``: data that the
        generator can be called with where there is no instance, to describe it. Raises ``DefinitionError``.
        """
        if not isinstance(name, str) or not name or len(name) > 200 or not name.isprintable():
            reason = "a workflow's name is 1 to 200 printable characters"
            raise DefinitionError(workflow=str(name), path="#", reason=reason)
        if keep is None and isinstance(source, Workflow):
            keep = source.keep
        try:
            seconds = keep_seconds(keep)
        except ValueError as error:
            raise DefinitionError(workflow=name, path="#", reason=str(error)) from None
        if not callable(source):
            tasks = parse_tasks(source, workflow=name)
            self._set(name, lambda: tasks, seconds, example)
        else:
            self._set(name, source, seconds, example)

    def _set(self, name: str, generator: Generator, keep: float | None, example: Any) -> None:
        with self._lock:
            self._generators[name] = generator
            self._keeps.pop(name, None)
            self._examples.pop(name, None)
            if example is not NO_EXAMPLE:
                self._examples[name] = example
            if keep is not None:
                self._keeps[name] = keep

    def keep(self, name: str) -> float | None:
        """Seconds for which a workflow says that its instances are kept, ``math.inf`` for ever; None: it does not say.

        Raises ``UnknownWorkflow``.
        """
        self._get(name)
        with self._lock:
            return self._keeps.get(name)

    def generator(self, name: str) -> Generator:
        """The function that gives the tasks of a workflow. Raises ``UnknownWorkflow``."""
        return self._get(name)

    def examples(self, name: str) -> list[Any]:
        """The example of its data that a workflow was registered with, or nothing. Raises ``UnknownWorkflow``."""
        self._get(name)
        with self._lock:
            return [copy.deepcopy(self._examples[name])] if name in self._examples else []

    def add_discovery(self, discover: Callable[[], None]) -> None:
        """Have ``discover`` called once, the first time a name is asked for that nobody registered."""
        with self._lock:
            self._discoverers.append(discover)

    def discover(self) -> None:
        """Run the discoveries that have not succeeded yet; whoever asks meanwhile waits for them."""
        with self._discovering:
            with self._lock:
                waiting = list(self._discoverers)
            for discover in waiting:
                discover()
                with self._lock:
                    self._discoverers.remove(discover)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        self.discover()
        with self._lock:
            return sorted(self._generators)

    def plan(self, name: str, data: Any) -> Plan:
        """The plan of workflow ``name`` for ``data``. Raises ``UnknownWorkflow`` or ``DefinitionError``.

        The generator gets a copy of ``data``. An exception of its own becomes a ``DefinitionError``
        whose cause it is.
        """
        generator = self._get(name)
        try:
            # Inside the try: a generator written with ``yield`` runs while its tasks are read.
            return Plan.of(Workflow.parse(name, _call(generator, copy.deepcopy(data))))
        except DefinitionError:
            raise
        except Exception as error:
            reason = f"the generator raised {type(error).__name__}: {error}"
            raise DefinitionError(workflow=name, path="#", reason=reason) from error

    def _get(self, name: Any) -> Generator:
        if not isinstance(name, str):
            raise UnknownWorkflow(workflow=repr(name))
        with self._lock:
            generator = self._generators.get(name)
        if generator is None:
            self.discover()
            with self._lock:
                generator = self._generators.get(name)
                known = ", ".join(sorted(self._generators)) or "none"
            if generator is None:
                raise UnknownWorkflow(workflow=name, known=known)
        return generator


def _call(generator: Generator, data: Any) -> Any:
    try:
        takes_data = bool(inspect.signature(generator).parameters)
    except (TypeError, ValueError):
        takes_data = True
    tasks = generator(data) if takes_data else generator()
    return wait_for(tasks) if inspect.isawaitable(tasks) else tasks


def wait_for(awaitable: Awaitable[Any]) -> Any:
    """The result of an awaitable, from synchronous code; also where an event loop is running already."""

    async def run() -> Any:
        return await awaitable

    def finish() -> Any:
        return asyncio.run(run())

    hub = _gevent_hub()
    if hub is not None:
        # All greenlets share one thread, and a thread has one running event loop: so a real thread each.
        return hub.threadpool.apply(finish)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return finish()
    with ThreadPoolExecutor(1, thread_name_prefix="jobs-flow-await") as pool:
        return pool.submit(finish).result()


def _gevent_hub() -> Any:
    """gevent's hub in a process whose threads are greenlets, else None."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    return sys.modules["gevent"].get_hub()


#: Where ``@workflow`` registers; every ``Jobs`` reads it unless it is given a registry of its own.
default_registry = Registry()


@overload
def workflow(
    name: str, *, keep: Keep = ..., example: Any = ..., registry: Registry | None = ...
) -> Callable[[G], G]: ...
@overload
def workflow(name: G) -> G: ...
def workflow(name: str | G, *, keep: Keep = None, example: Any = NO_EXAMPLE, registry: Registry | None = None) -> Any:
    """Register the decorated generator under ``name``, or under the function's own name.

    ``@workflow("weather_report")`` or ``@workflow``; ``@workflow("weather_report", keep=timedelta(days=30))`` has
    its instances removed so long after their run. ``example``: data that the generator can be called with where there
    is no instance, to describe the workflow: ``manage.py jobs_flow_types``. The function is returned unchanged.
    """
    if callable(name):
        default_registry.register(name.__name__, name)
        return name

    def decorate(generator: G) -> G:
        (registry or default_registry).register(name, generator, keep=keep, example=example)
        return generator

    return decorate
