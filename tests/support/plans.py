"""Random plans for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan


def work(res: Any) -> Any:
    """Hands on what it was given."""
    return res


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of up to about 30 tasks, nested, some of which tolerate failures."""
    blocks: Any = st.recursive(st.just([]), lambda below: st.lists(below, max_size=4), max_leaves=20)

    def tasks(shape: list[Any]) -> list[Task]:
        policy = st.sampled_from(["stop", "stop", "continue"])
        return [Task(f"t{n}", work, subtasks=tasks(below), on_failure=draw(policy)) for n, below in enumerate(shape)]

    return Plan.of(Workflow("w", tasks(draw(blocks))))
