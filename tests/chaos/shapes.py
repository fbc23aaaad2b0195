"""Workflows of mixed shape as plain data, and what must become of each: worked out from the data alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

#: What a node does (``do``) that ends in a failure, whatever happens around it.
FAILING = frozenset({"fails", "hopeless", "dies", "hangs"})


def node(name: str, do: str = "quick", *children: Node, **options: Any) -> Node:
    """One task. ``for_ms``: how long it takes; ``times``: how often it fails first; ``on_failure``."""
    return {"name": name, "do": do, "children": list(children), **options}


def random_tree(seed: str, *, deadly: bool = True) -> list[Node]:
    """The root tasks of one workflow; the same for the same seed.

    ``deadly``: also a task that kills the process it runs in, which is for pools of processes only.
    """
    chance = random.Random(seed)
    kind = chance.choice(KINDS if deadly else [kind for kind in KINDS if kind is not _deadly])
    return kind(chance)


def expected(tasks: list[Node]) -> tuple[str, dict[str, str]]:
    """The final status of a run of all the tasks, and of each task by path."""
    statuses = {path: "inactive" for path, _ in walk(tasks)}
    for task in tasks:
        if _run(task, f"#.{task['name']}", statuses, tolerant=False):
            return "failed", statuses
    return "done", statuses


def walk(tasks: list[Node], parent: str = "#") -> Iterator[tuple[str, Node]]:
    """``(path, node)``, parents first."""
    for task in tasks:
        path = f"{parent}.{task['name']}"
        yield path, task
        yield from walk(task["children"], path)


def _run(task: Node, path: str, statuses: dict[str, str], *, tolerant: bool) -> bool:
    """Whether a failure is left that nothing in the task's subtree tolerates."""
    tolerated = task.get("on_failure") == "continue"
    below = [under for under, _ in walk(task["children"], path)]
    if task["do"] == "skips" or task["do"] in FAILING:
        failed = task["do"] != "skips"
        statuses[path] = "failed" if failed else "skipped"
        if not failed or tolerated or tolerant:
            statuses.update(dict.fromkeys(below, "skipped"))
        return failed and not tolerated
    statuses[path] = "ok"
    around = tolerant or tolerated
    left = [_run(child, f"{path}.{child['name']}", statuses, tolerant=around) for child in task["children"]]
    return any(left) and not tolerated


def _name(number: int) -> str:
    return f"t{number:02}"


def _chain(chance: random.Random) -> list[Node]:
    return [node(_name(n), chance.choice(["quick", "quick", "flaky"]), times=1) for n in range(chance.randint(4, 12))]


def _work(chance: random.Random) -> list[Node]:
    return [node("begin"), node("long", "work", for_ms=chance.randint(800, 2500)), node("end")]


def _busy(chance: random.Random) -> list[Node]:
    """A function that never looks up, beside one that does."""
    busy = node("busy", "spins", for_ms=chance.randint(200, 600))
    return [node("split", "quick", busy, node("calm", "work", for_ms=600)), node("end")]


def _wide(chance: random.Random) -> list[Node]:
    members = [node(_name(n)) for n in range(chance.randint(10, 40))]
    return [node("split", "quick", *members), node("join")]


def _nested(chance: random.Random) -> list[Node]:
    def block(name: str, depth: int) -> Node:
        width = chance.randint(2, 3) if depth else 0
        children = [block(_name(n), depth - 1) for n in range(width)]
        return node(name, chance.choice(["quick", "quick", "work"]), *children)

    return [node("first"), block("block", 2), node("last")]


def _conditions(chance: random.Random) -> list[Node]:
    members = [node(_name(n), chance.choice(["quick", "skips"]), node("under")) for n in range(4)]
    return [node("first"), node("no", "skips", node("x"), node("y")), node("block", "quick", *members), node("last")]


def _retries(chance: random.Random) -> list[Node]:
    members = [node(_name(n), "flaky", times=chance.randint(1, 3)) for n in range(3)]
    return [node("first", "flaky", times=2), node("block", "quick", *members), node("last")]


def _tolerated(chance: random.Random) -> list[Node]:
    member = node("bad", chance.choice(["fails", "hopeless"]), node("under"), on_failure="continue")
    block = node("block", "quick", node("good"), node("bad", "fails", node("under")), on_failure="continue")
    return [node("a"), node("b", "quick", member, node("good")), block, node("last")]


def _failing(chance: random.Random) -> list[Node]:
    bad = node("bad", chance.choice(["fails", "hopeless"]), node("under"))
    good = node("good", "work", for_ms=chance.randint(100, 500))
    return [node("a"), node("b", "quick", bad, good), node("never")]


def _hanging(chance: random.Random) -> list[Node]:
    return [node("a"), node("hangs", "hangs"), node("never")]


def _deadly(chance: random.Random) -> list[Node]:
    return [node("a"), node("split", "quick", node("dies", "dies"), node("lives")), node("never")]


KINDS = [
    *(_chain, _chain, _chain, _work, _work, _busy, _wide, _nested, _nested),
    *(_conditions, _retries, _tolerated, _failing, _failing, _hanging, _deadly),
]
