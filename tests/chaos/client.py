"""Callers that a test lets die: each call in a process of its own, with the planted faults, all let go at once.

``python -m tests.chaos.client`` reads a JSON list of ``[method, args, kwargs]`` and prints a list of what each
gave: ``{"result": …}``, ``{"error": code}``, or ``{"killed": true}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.errors import JobsFlowError
from scripts.environment import ROOT
from tests.chaos import project

Call = tuple[str, Sequence[Any], Mapping[str, Any]]


def call_all(calls: Sequence[Call], environment: Mapping[str, str], timeout: float = 180.0) -> list[dict[str, Any]]:
    """Make the calls from as many processes at once; what each gave."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.client"],
        input=json.dumps(calls),
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=True,
    )
    given: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return given


def main() -> None:
    """See above."""
    calls = json.load(sys.stdin)
    gate, opener = os.pipe()
    children = []
    for call in calls:
        answers, answer = os.pipe()
        if not (pid := os.fork()):
            os.close(opener)
            os.close(answers)
            os.read(gate, 1)
            os.write(answer, json.dumps(_make(*call)).encode())
            os._exit(0)
        os.close(answer)
        children.append((pid, answers))
    os.close(opener)
    given = []
    for pid, answers in children:
        with os.fdopen(answers) as file:
            text = file.read()
        os.waitpid(pid, 0)
        given.append(json.loads(text) if text else {"killed": True})
    print(json.dumps(given))


def _make(method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    _, jobs = project.make(os.environ)
    try:
        result = getattr(jobs, method)(*args, **kwargs)
    except JobsFlowError as error:
        return {"error": error.code}
    return {"result": result if isinstance(result, str | int | bool | None) else repr(result)}


if __name__ == "__main__":
    main()
