"""The wheel that users install, built from a copy of the sources, so that no build is left in the clone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.environment import ROOT

SOURCES = ("jobs_flow", "jobs_flow_django", "setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")


def build_wheel(directory: Path) -> Path:
    """Build it in that directory with the setuptools of the tests, without a network."""
    sources = directory / "sources"
    sources.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, sources / name)
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", directory, sources], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel
