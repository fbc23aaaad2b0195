"""The commands of ``scripts/bootstrap.py``, one for each target of the Makefile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts import checks, dynoxide, environment, machine, node
from scripts.environment import CannotInstall, say


class Stop(Exception):
    """The command ends here, not with success; the message is for the user."""


def main(argv: Sequence[str]) -> int:
    """Run the command that the first word names; its exit code."""
    command = COMMANDS.get(argv[0]) if argv else None
    if command is None:
        print(f"usage: python3 scripts/bootstrap.py {'|'.join(COMMANDS)} [arguments]")
        return 2
    try:
        command(list(argv[1:]))
    except (CannotInstall, Stop) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


def demo(arguments: list[str]) -> None:
    """The example project, live."""
    _become(environment.ensure("demo"), "-m", "testproject.demo", *arguments)


def benchmark(arguments: list[str]) -> None:
    """Recorded workflows beside plain canvases, on the servers and workers of the tests."""
    _become(_environment_of_the_tests(), "-m", "benchmarks", *arguments)


def benchmark_rows(arguments: list[str]) -> None:
    """The pages that list instances, at a million rows of a MariaDB."""
    if unmet := machine.ensure([machine.MARIADB_SERVER]):
        raise Stop(machine.advice(unmet))
    _become(_environment_of_the_tests(), "-m", "benchmarks.rows", *arguments)


def benchmark_live(arguments: list[str]) -> None:
    """How soon sockets are told what workers do, beside pages that poll."""
    _become(_environment_of_the_tests(), "-m", "benchmarks.live", *arguments)


def chaos(arguments: list[str]) -> None:
    """Many workflows on workers that are killed, and the figures; the bounded tests are part of ``test``."""
    if any("rabbitmq" in word for word in arguments) and (unmet := machine.ensure([machine.RABBITMQ_SERVER])):
        raise Stop(machine.advice(unmet))
    python = _environment_of_the_tests()
    if any("dynamodb" in word for word in arguments):
        dynoxide.ensure(environment.VENV)
    _become(python, "-m", "tests.chaos", *arguments)


def lint(arguments: list[str]) -> None:
    """All checks that are no tests."""
    _check(_environment_of_the_tests())


def test(arguments: list[str]) -> None:
    """All checks, then pytest, whose summary is the last line."""
    _ensure_machine()
    python = _environment_of_the_tests()
    _ensure_clients()
    dynoxide.ensure(environment.VENV)
    _check(python)
    say("pytest")
    # All of them in two processes: see tests/support/turns.py. Of a few one sees more in one.
    _become(python, "-m", "pytest", *(arguments or ("-n", "2", "--dist", "loadscope")))


def screenshots(arguments: list[str]) -> None:
    """The browser tests, which leave a picture of every page they see in ``screenshots/``."""
    _ensure_machine()
    os.environ.setdefault("JOBS_FLOW_SCREENSHOTS", str(environment.ROOT / "screenshots"))
    python = _environment_of_the_tests()
    _ensure_clients()
    _become(python, "-m", "pytest", "tests/browser", *arguments)


def clients(arguments: list[str]) -> None:
    """What runs in browsers: the bundles that are committed, with their sizes, then types and tests."""
    _environment_of_the_tests()
    found = _ensure_clients()
    # First: the packages see of each other what was built.
    for step in ("build", "types", "test"):
        say(f"clients: {step}")
        if subprocess.run([found.npm, "run", "--silent", step], cwd=node.CLIENTS, check=False).returncode:
            raise Stop(f"failed at {step}")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "clients": clients,
    "benchmark": benchmark,
    "benchmark-rows": benchmark_rows,
    "benchmark-live": benchmark_live,
    "chaos": chaos,
    "screenshots": screenshots,
}


def _ensure_machine() -> None:
    if unmet := machine.ensure(
        [machine.MARIADB_SERVER, machine.REDIS_SERVER, machine.RABBITMQ_SERVER, machine.BROWSER]
    ):
        raise Stop(machine.advice(unmet))


def _ensure_clients() -> node.Node:
    """Node with the packages of the clients, first on PATH: a machine may have an older one, or none."""
    found = node.ensure(environment.VENV)
    node.put_on_path(found)
    node.install(found)
    return found


def _environment_of_the_tests() -> Path:
    return environment.ensure("test", _install_mysqlclient)


def _install_mysqlclient(python: Path) -> None:
    """The faster MySQL driver where it can be built; the tests use PyMySQL where it cannot."""
    if machine.ensure([machine.MYSQL_HEADERS]):
        say("no headers to build mysqlclient: MariaDB is tested through PyMySQL")
        return
    try:
        environment.pip_install(python, "--editable", f"{environment.ROOT}[mysql]")
    except CannotInstall:
        say("mysqlclient could not be built: MariaDB is tested through PyMySQL")


def _check(python: Path) -> None:
    if failed := checks.failing_step(python):
        raise Stop(f"failed at {failed}")


def _become(python: Path, *arguments: str) -> None:
    """Replace this process, so that signals and the exit code are the command's own."""
    os.chdir(environment.ROOT)
    os.execv(python, [str(python), *arguments])
