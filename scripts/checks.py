"""Everything that is checked without running a test: ``python -m scripts.checks``, where the tools are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.environment import ROOT, say

#: Name and arguments for the interpreter. No console scripts: their first line cannot hold a path with spaces.
STEPS = (
    ("ruff check", ("-m", "ruff", "check", "--quiet", ".")),
    ("ruff format --check", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    ("mypy", ("-m", "mypy", "--no-error-summary")),
    ("lint-imports", ("-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-logo")),
    ("makemigrations --check", ("-m", "django", "makemigrations", "--check", "--dry-run", "--verbosity=1")),
)


def failing_step(python: Path) -> str | None:
    """Run the steps in order up to the first that fails, and give its name."""
    for name, arguments in STEPS:
        say(name)
        if subprocess.run([python, *arguments], cwd=ROOT, env=_environment(), check=False).returncode:
            return name
    return None


def _environment() -> dict[str, str]:
    """That of the caller, with the example project as the one that is checked."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # In memory, because nothing is asked of it: the checks need no server and leave no file.
    database = {"DATABASE_URL": "sqlite:///:memory:"}
    return os.environ | database | {"DJANGO_SETTINGS_MODULE": "testproject.settings", "PYTHONPATH": path}


if __name__ == "__main__":
    if failed := failing_step(Path(sys.executable)):
        sys.exit(f"jobs-flow: failed at {failed}")
