"""TypeScript declarations of registered workflows, so that a page's compiler knows their paths and what they give.

Pure: the same registry gives the same text, sorted, with no date in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs_flow.errors import DefinitionError
from jobs_flow.workflows.annotations import Interfaces, member, union
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.registry import Registry
from jobs_flow.workflows.signatures import first_parameter, returned

HEAD = """\
// Written by `manage.py jobs_flow_types`; do not edit.
import "@jobs-flow/client";
"""

#: What a generator is called with where nobody says: many read none of it.
_ATTEMPTS: tuple[Any, ...] = ({}, None)


@dataclass(frozen=True)
class Declarations:
    """The text of a ``.d.ts`` file, and why some workflows in it have no paths."""

    text: str
    #: By the name of the workflow.
    problems: Mapping[str, DefinitionError]


def declare(
    registry: Registry, names: Iterable[str] | None = None, data: Mapping[str, Sequence[Any]] | None = None
) -> Declarations:
    """The declarations of the workflows ``names``, or of all.

    ``data``: values that generators are called with, by workflow; the paths of all of them are declared. Without any
    it is the ``example`` that the workflow was registered with, else ``{}`` or None. A workflow whose generator raises
    for these is declared with its data alone, any path and unknown results. Raises ``UnknownWorkflow``.
    """
    chosen = sorted(registry.names() if names is None else set(names))
    interfaces = Interfaces()
    problems: dict[str, DefinitionError] = {}
    entries = []
    for name in chosen:
        wanted = first_parameter(registry.generator(name))
        try:
            plans = _plans(registry, name, (data or {}).get(name))
        except DefinitionError as error:
            problems[name] = error
            plans = []
        entries.append(_entry(name, interfaces.of(wanted), _bodies(plans, interfaces)))
    text, declared = interfaces.finish("".join(entries))
    module = f'declare module "@jobs-flow/client" {{\n  interface Workflows {{\n{text}  }}\n}}\n'
    return Declarations("\n".join((HEAD, *declared, module)), problems)


def _plans(registry: Registry, name: str, data: Sequence[Any] | None) -> list[Plan]:
    values = data or registry.examples(name)
    if values:
        return [registry.plan(name, value) for value in values]
    first: DefinitionError | None = None
    for value in _ATTEMPTS:
        try:
            return [registry.plan(name, value)]
        except DefinitionError as error:
            first = first or error
    assert first is not None
    raise first


def _bodies(plans: list[Plan], interfaces: Interfaces) -> dict[str, str]:
    """Types of what tasks give, by path; of a path that several plans have, one of each."""
    found: dict[str, list[str]] = {}
    for plan in plans:
        for path, node in plan.nodes.items():
            # A task without a function hands on what it was given.
            given = returned(node.task.task) if node.task.task else Any
            found.setdefault(path, []).append(interfaces.of(given))
    return {path: union(found[path]) for path in sorted(found)}


def _entry(name: str, data: str, bodies: Mapping[str, str]) -> str:
    """A member of ``Workflows``."""
    paths = "".join(f"\n        | {json.dumps(path)}" for path in bodies) or " string"
    typed = "".join(f"        {json.dumps(path)}: {body};\n" for path, body in bodies.items())
    return (
        f"    {member(name)}: {{\n"
        f"      data: {data};\n"
        f"      paths:{paths};\n"
        f"      bodies: {{{chr(10) + typed + '      ' if typed else ' [path: string]: unknown '}}};\n"
        "    };\n"
    )
