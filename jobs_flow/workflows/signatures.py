"""What functions and classes say of their types, as far as it can be known without running them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any


def hints_of(owner: Any, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The annotations of a class or function, evaluated; one that cannot be is ``Any``, the others still are.

    ``names``: what else they may name, as the classes around a nested function.
    """
    try:
        return typing.get_type_hints(owner, localns=dict(names) if names else None, include_extras=True)
    except Exception:
        found: dict[str, Any] = {}
        given: dict[str, Any] = {}
        for cls in reversed(getattr(owner, "__mro__", (owner,))):
            given |= inspect.get_annotations(cls)
        for name, annotation in given.items():
            found[name] = _hint(annotation, owner, names)
        return found


def _hint(annotation: Any, owner: Any, names: Mapping[str, Any] | None) -> Any:
    scope = getattr(owner, "__globals__", None)
    if scope is None:
        scope = vars(inspect.getmodule(owner) or SimpleNamespace())
    alone = SimpleNamespace(__annotations__={"one": annotation})
    try:
        return typing.get_type_hints(alone, globalns=scope, localns=dict(names or {}), include_extras=True)["one"]
    except Exception:  # a name that only a type checker sees, or anything else
        return Any


def _written(function: Any) -> Any:
    """The function that somebody wrote: behind partials, decorators, Celery tasks and callable objects."""
    for _ in range(20):
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "apply_async") and hasattr(function, "run"):
            function = function.run
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and not isinstance(function, type):
            function = type(function).__call__
        else:
            break
    return function


def _hints(function: Any) -> dict[str, Any]:
    try:
        around = inspect.getclosurevars(function).nonlocals
    except (TypeError, ValueError):
        around = {}
    return hints_of(function, around)


def returned(function: Callable[..., Any] | None) -> Any:
    """The annotation of what a task function gives; ``Any`` where it says nothing.

    Of a coroutine that of its result, of a generator that of its ``return``.
    """
    written = _written(function)
    hint = _hints(written).get("return", Any) if inspect.isroutine(written) else Any
    if inspect.isgeneratorfunction(written):
        arguments = typing.get_args(hint)
        return arguments[2] if len(arguments) == 3 else Any
    return hint


def first_parameter(function: Callable[..., Any]) -> Any:
    """The annotation of a function's first parameter; ``Any`` where it has none."""
    written = _written(function)
    try:
        name = next(iter(inspect.signature(written).parameters), None)
    except (TypeError, ValueError):
        return Any
    return _hints(written).get(name, Any) if name else Any
