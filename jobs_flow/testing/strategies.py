"""What Hypothesis draws for the tests of storages."""

from __future__ import annotations

from hypothesis import strategies as st

from jobs_flow.testing.scenario import task
from jobs_flow.workflows.definition import Task

_FAILURE_POLICY = st.sampled_from(["stop", "stop", "continue"])


@st.composite
def declarations(draw: st.DrawFn, depth: int = 3) -> list[Task]:
    """One to three root tasks, with blocks of up to two in up to two levels."""
    return [
        task(
            name,
            *(draw(declarations(depth - 1)) if depth > 1 and draw(st.booleans()) else ()),
            on_failure=draw(_FAILURE_POLICY),
        )
        for name in "abc"[: draw(st.integers(1, 3 if depth == 3 else 2))]
    ]
