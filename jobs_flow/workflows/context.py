"""What a task sees: its argument and its context, from what earlier tasks handed on.

Rules (features S23 to S26, S29 to S31, S38):

- The argument is the explicit one; else the previous root task's result; for a subtask that of the
  task it belongs to; ``{}`` for the first. After a parallel block it is a dict by subtask name.
- A skipped task, and one whose failure is tolerated, hand on what they were given; inside the dict
  of a block they stand as None.
- The context is the base context and, in order, what earlier root tasks and the enclosing tasks put
  under ``dest`` and ``context_vars``. Nothing of a later task or of a parallel sibling is in it.
- The updaters that such a task recorded (feature S27) are replayed right after its own members, so a
  later ``dest`` wins over them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from jobs_flow.errors import InvalidUpdater
from jobs_flow.workflows import json, paths
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import TaskStatus
from jobs_flow.workflows.updaters import apply_all

#: Arguments and context members up to this many characters of JSON are copied into the record that
#: received them; longer ones are recorded as a reference to where they stand, so that what all
#: records keep together grows with the number of tasks, not with its square.
INLINE_LIMIT = 512


#: What a reference to the instance's base context names instead of a path.
BASE = "#"


class Handed(Protocol):
    """What a task handed on; ``storages.records.Input`` is one."""

    @property
    def status(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def execution_time(self) -> int | None: ...
    @property
    def value(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Given:
    """The argument and context of one task, and the JSON text its record keeps of them."""

    argument: Any
    context: dict[str, Any]
    #: Path of the record that ``argument`` stands in when it is passed on unchanged; None: the task's own.
    source: str | None
    argument_record: str
    context_record: str


def context_sources(plan: Plan, path: str) -> Iterator[str]:
    """The paths whose ``dest`` and ``context_vars`` the task at ``path`` sees, earliest first."""
    for position, root in plan.carriers:
        if position >= plan.nodes[path].position:
            break
        yield root
    for above in reversed(list(plan.ancestors(path))):
        if plan.nodes[above].task.fills_context:
            yield above


def _sources(plan: Plan, path: str, updaters: Collection[str]) -> list[str]:
    """The paths whose members or updaters the task at ``path`` sees, earliest first."""
    sources = list(context_sources(plan, path))
    if not updaters:
        return sources
    position, around = plan.nodes[path].position, set(plan.ancestors(path))
    for source in updaters:
        node = plan.nodes.get(source)
        if node is not None and (source in around or (node.parent is None and node.position < position)):
            sources.append(source)
    return sorted(set(sources), key=lambda source: (plan.nodes[source].position, paths.depth(source)))


def argument_source(plan: Plan, path: str) -> str | None:
    """The path whose result, or whose block's, is the argument of ``path``; None for the first."""
    node = plan.nodes[path]
    return node.parent if node.parent is not None else node.preceding


def inputs(plan: Plan, path: str) -> tuple[str, ...]:
    """Every path that a claim of ``path`` must bring the result of, once each."""
    wanted = dict.fromkeys(context_sources(plan, path))
    previous = argument_source(plan, path)
    if previous is not None:
        wanted[previous] = None
        if plan.nodes[path].parent is None:
            wanted.update(dict.fromkeys(plan.descendants(previous)))
    return tuple(wanted)


def result_of(plan: Plan, path: str, handed: Mapping[str, Handed]) -> tuple[Any, str | None]:
    """What the root task at ``path`` hands on, and the record it stands in (None: a block's dict)."""
    entry = handed.get(path)
    if entry is None:
        return None, None
    if plan.nodes[path].children and entry.status == TaskStatus.OK:
        return _block(plan, path, handed), None
    return (json.decode(entry.value) if entry.value is not None else None), entry.source


def _block(plan: Plan, path: str, handed: Mapping[str, Handed]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for child in plan.nodes[path].children:
        node, entry = plan.nodes[child], handed.get(child)
        value = None
        if entry is not None and entry.status == TaskStatus.OK:
            if node.children:
                value = _block(plan, child, handed)
            elif entry.value is not None:
                value = json.decode(entry.value)
        result[node.task.name] = value
    return result


def build(
    plan: Plan,
    path: str,
    handed: Mapping[str, Handed],
    *,
    base_context: Mapping[str, Any],
    explicit: str | None,
    updaters: Mapping[str, str] = MappingProxyType({}),
) -> Given:
    """What the task at ``path`` is called with. ``explicit`` is the JSON text of an explicit argument.

    ``base_context`` must be the caller's to give away: its members are handed to the task, not copied.
    ``updaters`` are those that tasks of the instance have recorded, a JSON list by path; which of them ``path``
    sees is decided here. Raises ``InvalidUpdater``, naming the path it was recorded at, for one that does
    not fit the context any more.
    """
    seen = _Context(base_context)
    for source in _sources(plan, path, updaters):
        entry = handed.get(source)
        if entry is not None and entry.status != TaskStatus.INACTIVE:
            seen.add(plan.nodes[source].task, entry)
        if source in updaters:
            seen.replay(source, updaters[source])
    argument, source_path, kept = _argument(plan, path, handed, explicit)
    return Given(
        argument=argument,
        context=seen.members,
        source=source_path,
        argument_record=kept,
        context_record=json.encode(seen.record),
    )


class _Context:
    """A context as it grows, and what the record of the task keeps of it."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        self.members: dict[str, Any] = dict(base)
        self.record: dict[str, Any] = {}
        for name, value in base.items():
            self._keep(name, value, {"$ref": BASE})

    def add(self, task: Task, entry: Handed) -> None:
        """Put in what a task left under ``dest`` and ``context_vars``."""
        text = entry.value if entry.value is not None else "null"
        if task.dest:
            self.members[task.dest] = json.decode(text)
            self.record[task.dest] = _reference(text, self.members[task.dest], entry)
        members = json.decode(text) if task.context_vars else None
        for name in task.context_vars:
            found = isinstance(members, dict) and name in members
            # A missing member was warned about when the task ended.
            self.members[name] = members[name] if members is not None and found else None
            self.record[name] = _reference(json.encode(self.members[name]), self.members[name], entry, name)

    def replay(self, path: str, text: str) -> None:
        """Apply the updaters that the task at ``path`` recorded."""
        before = self.members
        try:
            self.members = apply_all(before, json.decode(text))
        except InvalidUpdater as error:
            raise InvalidUpdater(where=f"{error.where}, recorded at {path}", reason=error.reason) from None
        for name in before.keys() - self.members.keys():
            del self.record[name]
        for name, value in self.members.items():
            if name not in before or before[name] is not value:
                self._keep(name, value, {"$ref": path, "updated": True})

    def _keep(self, name: str, value: Any, reference: dict[str, Any]) -> None:
        text = json.encode(value)
        long = len(text) > INLINE_LIMIT
        self.record[name] = {**reference, "length": len(text), "member": name} if long else _inline(value)


def _argument(plan: Plan, path: str, handed: Mapping[str, Handed], explicit: str | None) -> tuple[Any, str | None, str]:
    """The argument, the record it stands in, and the text to keep of it."""
    if explicit is not None:
        return json.decode(explicit), None, explicit
    previous = argument_source(plan, path)
    if previous is None:
        return {}, None, "{}"
    node, entry = plan.nodes[path], handed.get(previous)
    if node.parent is None:
        value, source = result_of(plan, previous, handed)
        if source is None:
            # A block's dict stands in no record of its own, so whoever passes it on keeps it whole.
            return value, None, json.encode(value)
    else:
        value = json.decode(entry.value) if entry is not None and entry.value is not None else None
        source = entry.source if entry is not None else None
    text = entry.value if entry is not None and entry.value is not None else "null"
    return value, source, json.encode(_reference(text, value, entry))


def _reference(text: str, value: Any, entry: Handed | None, member: str | None = None) -> Any:
    """``value`` when it is short or stands nowhere else; else where it stands."""
    if entry is None or entry.source is None or len(text) <= INLINE_LIMIT:
        return _inline(value)
    reference = {"$ref": entry.source, "executionTime": entry.execution_time, "length": len(text)}
    return reference if member is None else {**reference, "member": member}


def _inline(value: Any) -> Any:
    """``value`` as a record keeps it: a user's own dict must not be taken for a reference."""
    return {"$ref": None, "value": value} if isinstance(value, dict) and "$ref" in value else value


def resolve(kept: Any, read: Callable[[str], Mapping[str, Any] | None], base_context: Mapping[str, Any]) -> Any:
    """What a record received, from what it keeps; ``read`` gives the record at a path.

    A reference to a record that was executed again since stays a reference. So does a long member that an updater
    changed, ``{"$ref": path, "updated": true, "length", "member"}``: it stands in no record, ``path`` has the
    updaters that made it.
    """
    if not isinstance(kept, dict) or "$ref" not in kept or kept.get("updated"):
        return kept
    source = kept["$ref"]
    if source is None:
        return kept.get("value")
    if source == BASE:
        return base_context.get(str(kept.get("member")), kept)
    origin = read(source)
    if origin is None or origin["executionTime"] != kept.get("executionTime"):
        return kept
    held = origin["body"] if origin["status"] == TaskStatus.OK else origin["argument"]
    if "member" not in kept:
        return held
    return held.get(kept["member"]) if isinstance(held, dict) else None
