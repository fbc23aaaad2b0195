"""``pip install jobs-flow`` in a bare environment: no Django, no test tools that could hide what is missing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import environment

WORKFLOW = """
import json, sys
from jobs_flow import Jobs, Task

jobs = Jobs(storage="memory://", backend="sync")
jobs.register_workflow("sum", [
    Task("numbers", lambda res: [1, 2, 3], dest="numbers"),
    Task("total", lambda res, job: sum(job.context["numbers"])),
])
id = jobs.create_workflow_instance("sum", execute=True)
print(json.dumps({
    "result": jobs.wait(id, timeout=10),
    "statuses": {path: view["status"] for path, view in jobs.get_tasks_statuses(id).items()},
    "django": sorted(name for name in sys.modules if name.split(".")[0] in ("django", "channels", "asgiref")),
}))
"""


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that holds the wheel and what it asks for."""
    target = tmp_path_factory.mktemp("bare") / "venv"
    environment.create_venv(target)
    python = environment.python_of(target)
    environment.pip_install(python, str(wheel))
    return python


def run(python: Path, code: str, directory: Path) -> str:
    """What the code prints, run away from the repository."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DJANGO"))}
    done = subprocess.run([python, "-c", code], cwd=directory, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestBareEnvironment:
    def test_has_no_django(self, bare_python: Path, tmp_path: Path) -> None:
        code = (
            "from importlib.util import find_spec; print([n for n in ('django', 'channels', 'pytest') if find_spec(n)])"
        )
        assert run(bare_python, code, tmp_path) == "[]\n"

    def test_runs_a_workflow(self, bare_python: Path, tmp_path: Path) -> None:
        answer: dict[str, Any] = json.loads(run(bare_python, WORKFLOW, tmp_path))
        assert answer == {"result": 6, "statuses": {"#.numbers": "ok", "#.total": "ok"}, "django": []}

    def test_celery_can_talk_to_redis(self, bare_python: Path, tmp_path: Path, valkey_url: str) -> None:
        # Without celery's "redis" extra this fails with "No module named 'packaging'".
        connect = f"Celery(broker={valkey_url!r}).connection().ensure_connection()"
        code = f"from celery import Celery; print({connect}.connected)"
        assert run(bare_python, code, tmp_path) == "True\n"
