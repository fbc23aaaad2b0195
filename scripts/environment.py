"""The environment of this clone, ``.venv``: made once, filled by extra, and left alone while nothing changed.

A stamp file inside it, one for each extra, holds a hash of all that decides what is installed. A second
start compares hashes and installs nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

#: The Python that environments are made with: not the one of an environment that happens to be active.
BASE_PYTHON: str = getattr(sys, "_base_executable", sys.executable)

#: An extra and those it holds, so that after the tests the demo has nothing left to install.
HOLDS = {"demo": ("demo",), "test": ("test", "demo")}


class CannotInstall(Exception):
    """The environment could not be made; the message says what to do about it."""


def say(message: str) -> None:
    """One line of progress, in order with what the commands that are run print themselves."""
    print(f"jobs-flow: {message}", flush=True)


def python_of(venv: Path) -> Path:
    """Its interpreter, which need not exist."""
    return venv / "bin" / "python"


def ensure(extra: str, then: Callable[[Path], None] | None = None) -> Path:
    """The interpreter of ``.venv`` with that extra installed, and ``then`` run on it after an installation."""
    python = python_of(VENV)
    wanted = _fingerprint(extra)
    stamp = _stamp(extra)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and _usable(python):
        return python
    if not _usable(python):
        say(f"making the environment {VENV.name} with Python {sys.version.split()[0]}")
        create_venv(VENV)
    say(f"installing what `{extra}` needs into {VENV.name} (once, a minute or two)")
    pip_install(python, "--editable", f"{ROOT}[{extra}]")
    if then is not None:
        then(python)
    for held in HOLDS[extra]:
        _stamp(held).write_text(_fingerprint(held), encoding="utf-8")
    return python


def pip_install(python: Path, *what: str) -> None:
    """``pip install``, silent unless it fails.

    :raises CannotInstall: when pip fails.
    """
    command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *what]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise CannotInstall(f"pip could not install {' '.join(what)}; its message is above")


def create_venv(target: Path) -> None:
    """A new environment with pip at that place, replacing what is there.

    ``python -m venv`` first; where that has no ensurepip (Debian without python3-venv), uv or virtualenv.

    :raises CannotInstall: when there is none of them.
    """
    reasons = []
    for command in _makers(target):
        # A maker that failed half-way leaves an environment without pip behind.
        shutil.rmtree(target, ignore_errors=True)
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode == 0 and _usable(python_of(target)):
            return
        reasons.append(f"$ {' '.join(command)}\n{made.stdout.strip()}")
    shutil.rmtree(target, ignore_errors=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise CannotInstall(
        "\n".join(reasons) + "\n\nThis Python cannot make virtual environments. Install the Debian or Ubuntu package "
        f"python3-venv (apt-get install python3-venv; for exactly this Python, python{version}-venv), uv or virtualenv."
    )


def _makers(target: Path) -> Iterator[list[str]]:
    yield [BASE_PYTHON, "-m", "venv", str(target)]
    for name, options in (("uv", ["venv", "--seed", "--python", BASE_PYTHON]), ("virtualenv", ["-p", BASE_PYTHON])):
        if program := shutil.which(name):
            yield [program, *options, str(target)]
        elif importlib.util.find_spec(name):
            yield [sys.executable, "-m", name, *options, str(target)]


def _usable(python: Path) -> bool:
    """Whether that environment is whole and of the running Python's version."""
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _stamp(extra: str) -> Path:
    return VENV / f"jobs-flow-{extra}.stamp"


def _fingerprint(extra: str) -> str:
    """Of all that decides what is installed; the place too, because an editable installation points to it."""
    digest = hashlib.sha256(f"{extra}\n{sys.version}\n{sys.base_prefix}\n{ROOT}\n".encode())
    for name in ("setup.cfg", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()
