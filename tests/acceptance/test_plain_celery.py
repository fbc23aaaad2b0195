"""``examples/plain_celery``: workflows on a Celery app where there is no Django."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.environment import ROOT
from tests.support.processes import Process

EXAMPLE = ROOT / "examples" / "plain_celery"
WITHOUT_DJANGO = Path(__file__).parent / "without_django"


@pytest.fixture
def environment(storage_url: str) -> dict[str, str | None]:
    """That of a project without Django: it cannot be imported, and no settings module is named."""
    return {"PYTHONPATH": os.pathsep.join([str(WITHOUT_DJANGO), str(ROOT)]), "DJANGO_SETTINGS_MODULE": None}


@pytest.fixture
def worker(start_process: Callable[[Process], Process], environment: dict[str, str | None]) -> Process:
    """``celery -A app worker`` in the directory of the example.

    The script, not ``python -m celery``: only with the script is that directory not on Python's path.
    """
    script = Path(sys.executable).with_name("celery")
    argv = [sys.executable, script, "-A", "app", "worker", "-c", "2", "-l", "INFO"]
    process = start_process(Process(argv, name="plain-worker", cwd=EXAMPLE, env=environment))
    process.wait_for_output(r"celery@\S+ ready\.", 90)
    return process


def run(environment: dict[str, str | None], *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python run.py``, ended."""
    found = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=EXAMPLE, env=found, capture_output=True, text=True, timeout=180, check=False)


class TestWithoutDjango:
    def test_django_is_really_not_there(self, environment: dict[str, str | None]) -> None:
        found = {**os.environ, **{name: value or "" for name, value in environment.items()}}
        code = "import jobs_flow, sys; assert 'django' not in sys.modules; import django"
        process = subprocess.run([sys.executable, "-c", code], env=found, capture_output=True, text=True, check=False)
        assert "No module named 'django'" in process.stderr

    def test_the_statuses_and_the_result_are_printed(
        self, worker: Process, environment: dict[str, str | None], tmp_path: Path
    ) -> None:
        first, second = tmp_path / "first.txt", tmp_path / "second.txt"
        first.write_text("one two two\nthree", encoding="utf-8")
        second.write_text("two one", encoding="utf-8")

        process = run(environment, str(first), str(second))

        assert process.returncode == 0, process.stderr
        identifier, *lines = process.stdout.splitlines()
        assert identifier.startswith("instance ")
        ended = [line.split()[1] for line in lines if line.split()[0] == "ok"]
        assert ended[0] == "#.check"
        assert set(ended[1:-1]) == {"#.count", "#.count.file1", "#.count.file2"}
        assert ended[-1] == "#.report"
        result = json.loads(process.stdout[process.stdout.index("\n{") :])
        assert result == {"bytes": 24, "words": 6, "top": [["two", 3], ["one", 2], ["three", 1]]}

    def test_a_failing_task_is_named_with_its_error(self, worker: Process, environment: dict[str, str | None]) -> None:
        process = run(environment, "/nowhere/at/all.txt")
        assert process.returncode == 1
        assert "#.check" in process.stderr
        assert "/nowhere/at/all.txt" in process.stderr

    def test_without_a_broker_nothing_is_started_and_it_says_so(self, environment: dict[str, str | None]) -> None:
        process = run({**environment, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"})
        assert process.returncode == 2
        assert "broker" in process.stderr
