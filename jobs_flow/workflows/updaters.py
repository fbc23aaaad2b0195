"""Context updaters: plain JSON that says how a task changes the context of later ones (features S27, S28, S32).

An updater is a dict that mirrors the context, with operators where something changes::

    {"report": {"rows": {"$push": [row]}, "draft": {"$set": False}}, "$unset": "scratch"}

========================  =====================================================================
``$set v``                this value; missing dicts on the way to it are made
``$unset name``           without the member, or the members of a list of names
``$push [items]``         a list with the items at its end
``$unshift [items]``      a list with the items at its beginning
``$splice [[start, n,     a list without ``n`` items from ``start`` (negative: from the end), and with the
*items], …]``             items there; one part after the other
``$merge {…}``            a dict with these members
``$toggle name``          a truth value turned round, or those of a list of names; a missing one counts as false
``$updatePath``           ``{"#.a.b": updater, …}``: the updater for that place of the context; at the top only
========================  =====================================================================

Members of one dict, names and operators alike, are applied in the order they are written; ``$set`` stands
alone. A name that is a number is a position where the context has a list. Nothing but ``$set`` makes
what is not there: any other updater that does not fit the context is an ``InvalidUpdater``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobs_flow.errors import InvalidPath, InvalidUpdater, NotJson
from jobs_flow.workflows import json, paths

#: Levels of names and operators in an updater, the names of an ``$updatePath`` included.
MAX_DEPTH = 64

#: Stands for a member that is not there.
_MISSING: Any = object()


def check(updater: Any, *, where: str = paths.ROOT) -> dict[str, Any]:
    """A copy of ``updater`` in plain JSON, checked as far as that is possible without the context.

    Raises ``InvalidUpdater`` with the exact place (``#.report.rows.$push``), in which ``where`` is the top.
    """
    if not isinstance(updater, Mapping):
        raise _wrong(where, f"an updater is a dict, not {_kind(updater)}")
    _check(updater, where, 0)
    try:
        checked: dict[str, Any] = json.decode(json.encode(dict(updater), where))
    except NotJson as error:
        raise _not_json(error) from None
    return checked


def check_all(updaters: Any) -> list[dict[str, Any]]:
    """The same for a list of updaters; the top of the first is called ``[0]#``."""
    if not isinstance(updaters, list | tuple):
        raise _wrong(paths.ROOT, f"updaters are a list, not {_kind(updaters)}")
    return [check(updater, where=f"[{n}]{paths.ROOT}") for n, updater in enumerate(updaters)]


def apply(context: Mapping[str, Any], updater: Mapping[str, Any], *, where: str = paths.ROOT) -> dict[str, Any]:
    """The context after a checked updater: a new dict, ``context`` stays as it was.

    What the updater does not touch is the same object in both; what it puts in is a copy. Raises
    ``InvalidUpdater`` when it does not fit what is there.
    """
    context = dict(context)
    updated: dict[str, Any] = _apply(context, updater, where)
    return dict(updated) if updated is context else updated


def apply_all(context: Mapping[str, Any], updaters: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The context after a list of checked updaters, one after the other."""
    updated = dict(context)
    for n, updater in enumerate(updaters):
        updated = apply(updated, updater, where=f"[{n}]{paths.ROOT}")
    return updated


def _check(updater: Mapping[Any, Any], where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _wrong(where, f"it is nested deeper than {MAX_DEPTH} levels")
    for key, value in updater.items():
        if not isinstance(key, str):
            raise _wrong(where, f"it has the key {key!r} of type {type(key).__name__}; names are text")
        at = f"{where}.{key}"
        if not key.startswith("$"):
            if not isinstance(value, Mapping):
                raise _wrong(at, f'it is {_kind(value)}; {{"$set": …}} gives a member a value')
            _check(value, at, depth + 1)
        elif key == "$updatePath":
            _check_paths(value, at, depth)
        else:
            _check_operator(key, value, at, depth)
            if key == "$set" and len(updater) > 1:
                raise _wrong(at, "$set stands alone, without other operators or names beside it")


def _check_operator(name: str, value: Any, at: str, depth: int) -> None:
    if name not in _OPERATORS:
        raise _wrong(at, f"unknown operator {name!r}; there are {', '.join(sorted((*_OPERATORS, '$updatePath')))}")
    takes, _ = _OPERATORS[name]
    if reason := takes(value):
        raise _wrong(at, reason)
    if depth == 0 and (name in _OF_LISTS or (name == "$set" and not isinstance(value, Mapping))):
        raise _wrong(at, "the context itself is a dict and stays one")
    try:
        # A level for the operator, and one for the list that updaters are recorded in.
        json.check(value, at, depth + 2)
    except NotJson as error:
        raise _not_json(error) from None


def _check_paths(value: Any, at: str, depth: int) -> None:
    if depth:
        raise _wrong(at, "$updatePath stands at the top of an updater")
    if not isinstance(value, Mapping):
        raise _wrong(at, f"it is a dict of updaters by path, not {_kind(value)}")
    for path, updater in value.items():
        try:
            names = paths.parse(path)
        except InvalidPath as error:
            raise _wrong(at, error.message) from None
        if not isinstance(updater, Mapping):
            raise _wrong(f"{at}.{path}", f"an updater is a dict, not {_kind(updater)}")
        if names and "$updatePath" in updater:
            raise _wrong(f"{at}.{path}", "$updatePath stands at the top of an updater")
        if any(name.startswith("$") for name in names):
            raise _wrong(f"{at}.{path}", "names that begin with '$' are operators, which stand in the updater")
        _check(_nested(names, updater), at, 0)


def _nested(names: Iterable[str], updater: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in reversed(tuple(names)):
        updater = {name: updater}
    return updater


def _apply(value: Any, updater: Mapping[str, Any], where: str) -> Any:
    for key, change in updater.items():
        at = f"{where}.{key}"
        if key == "$updatePath":
            for path, inner in change.items():
                value = _apply(value, _nested(paths.parse(path), inner), where)
        elif key in _OPERATORS:
            value = _OPERATORS[key][1](value, change, at)
        else:
            value = _member(value, key, change, where)
    return value


def _member(value: Any, name: str, updater: Mapping[str, Any], where: str) -> Any:
    """``value`` with its member updated; itself when nothing changed."""
    at = f"{where}.{name}"
    if isinstance(value, list):
        position = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else len(value)
        if position >= len(value):
            raise _wrong(at, f"the list there has no position {name!r}, it has {len(value)} items")
        updated = _apply(value[position], updater, at)
        return value if updated is value[position] else [*value[:position], updated, *value[position + 1 :]]
    if value is not _MISSING and not isinstance(value, dict):
        raise _wrong(where, f"there is {_kind(value)}, which has no members")
    held = _MISSING if value is _MISSING else value.get(name, _MISSING)
    updated = _apply(held, updater, at)
    if updated is held:
        return value
    return {**({} if value is _MISSING else value), name: updated}


def _set(value: Any, change: Any, at: str) -> Any:
    return copy.deepcopy(change)


def _unset(value: Any, change: Any, at: str) -> Any:
    gone = set(_names(change))
    return {name: member for name, member in _fitting(value, dict, at).items() if name not in gone}


def _merge(value: Any, change: Any, at: str) -> Any:
    return {**_fitting({} if value is _MISSING else value, dict, at), **copy.deepcopy(change)}


def _toggle(value: Any, change: Any, at: str) -> Any:
    toggled = dict(_fitting(value, dict, at))
    for name in _names(change):
        member = toggled.get(name, False)
        if not isinstance(member, bool):
            raise _wrong(at, f"{name!r} is {_kind(member)}; it needs true or false")
        toggled[name] = not member
    return toggled


def _push(value: Any, change: Any, at: str) -> Any:
    return [*_fitting([] if value is _MISSING else value, list, at), *copy.deepcopy(change)]


def _unshift(value: Any, change: Any, at: str) -> Any:
    return [*copy.deepcopy(change), *_fitting([] if value is _MISSING else value, list, at)]


def _splice(value: Any, change: Any, at: str) -> Any:
    spliced = list(_fitting(value, list, at))
    for start, count, *items in copy.deepcopy(change):
        first = max(0, len(spliced) + start) if start < 0 else start
        # Not clamped at the end: a slice past it is empty, and stands there.
        spliced[first : first + count] = items
    return spliced


def _takes_anything(value: Any) -> str | None:
    return None


def _takes_list(value: Any) -> str | None:
    return None if isinstance(value, list | tuple) else f"it takes a list of items, not {_kind(value)}"


def _takes_dict(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else f"it takes a dict of members, not {_kind(value)}"


def _takes_names(value: Any) -> str | None:
    names = _names(value)
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return None
    return f"it takes a name or a list of names, not {_kind(value)}"


def _takes_parts(value: Any) -> str | None:
    parts = value if isinstance(value, list | tuple) else [None]
    for part in parts:
        if not isinstance(part, list | tuple) or len(part) < 2:
            return "it takes a list of parts, each [start, count, *items]"
        if any(isinstance(number, bool) or not isinstance(number, int) for number in part[:2]) or part[1] < 0:
            return f"start and count are whole numbers, count not negative; not {list(part[:2])!r}"
    return None


#: What each operator takes (the reason why a value is not that), and what it makes of a value.
_OPERATORS: dict[str, tuple[Callable[[Any], str | None], Callable[[Any, Any, str], Any]]] = {
    "$set": (_takes_anything, _set),
    "$unset": (_takes_names, _unset),
    "$merge": (_takes_dict, _merge),
    "$toggle": (_takes_names, _toggle),
    "$push": (_takes_list, _push),
    "$unshift": (_takes_list, _unshift),
    "$splice": (_takes_parts, _splice),
}
_OF_LISTS = frozenset({"$push", "$unshift", "$splice"})


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _fitting(value: Any, kind: type, at: str) -> Any:
    if not isinstance(value, kind):
        raise _wrong(at, f"it needs a {kind.__name__}, but there is {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    """What a value is, without its content."""
    if value is _MISSING:
        return "nothing"
    return "null" if value is None else f"a value of type {type(value).__name__}"


def _wrong(where: str, reason: str) -> InvalidUpdater:
    return InvalidUpdater(where=json.printable(where), reason=json.printable(reason))


def _not_json(error: NotJson) -> InvalidUpdater:
    return _wrong(error.where, f"it is {error.type_name}, which JSON cannot hold")
