"""What the machine has beside Python: the programs that the tests need, where they are, how they are installed.

Each may be replaced by an environment variable that names another place for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.environment import say

#: Where system programs are when PATH does not say so, as it is for users who are not root.
ELSEWHERE = ("/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/usr/lib/mysql", "/opt/homebrew/bin")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MARIADB = ("mariadbd",)
MARIADB_INSTALL = ("mariadb-install-db", "mysql_install_db")
#: By its path first: Debian's script of that name on PATH becomes another user.
RABBITMQ = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
REDIS = ("redis-server",)
NPM_PROGRAMS = ("npm",)


def find_program(*names: str) -> str | None:
    """The path of the first of these programs that the machine has."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ELSEWHERE])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def mysql_headers() -> bool:
    """Whether mysqlclient can be built here: a compiler, the client library's headers, and Python's."""
    if not (shutil.which("cc") or shutil.which("gcc")) or not shutil.which("pkg-config"):
        return False
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return False
    libraries = ("mysqlclient", "mariadb", "libmariadb")
    return any(subprocess.run(["pkg-config", "--exists", name], check=False).returncode == 0 for name in libraries)


@dataclass(frozen=True)
class Need:
    """One thing that the tests need from the machine."""

    what: str
    present: Callable[[], bool]
    #: Debian packages, all of them; of the names in one entry, the first that the release has.
    packages: tuple[tuple[str, ...], ...]
    #: Set, it names another place, and nothing has to be installed.
    variable: str | None = None

    def met(self) -> bool:
        """Whether there is nothing to do."""
        return bool(self.variable and os.environ.get(self.variable)) or self.present()


MARIADB_SERVER = Need(
    what="a MariaDB server (the tests start one of their own)",
    present=lambda: bool(find_program(*MARIADB) and find_program(*MARIADB_INSTALL)),
    packages=(("mariadb-server",),),
    variable="JOBS_FLOW_TEST_MYSQL_URL",
)
REDIS_SERVER = Need(
    what="a Redis server, beside the embedded Valkey (the tests start their own)",
    present=lambda: find_program(*REDIS) is not None,
    packages=(("redis-server", "redis"),),
)
RABBITMQ_SERVER = Need(
    what="RabbitMQ (the tests start one of their own)",
    present=lambda: bool(find_program(*RABBITMQ) and find_program("epmd")),
    packages=(("rabbitmq-server",),),
)
NPM = Need(
    what="npm (it fetches the DynamoDB server of the tests)",
    present=lambda: find_program(*NPM_PROGRAMS) is not None,
    packages=(("npm",),),
    variable="JOBS_FLOW_TEST_DYNAMODB",
)
BROWSER = Need(
    what="Chromium",
    present=lambda: find_program(*CHROMIUM) is not None,
    packages=(("chromium", "chromium-browser"),),
    variable="JOBS_FLOW_TEST_CHROMIUM",
)
MYSQL_HEADERS = Need(
    what="the headers that build mysqlclient",
    present=mysql_headers,
    packages=(("default-libmysqlclient-dev",), ("pkg-config",), ("gcc",), ("python3-dev",)),
)


def ensure(needs: Iterable[Need]) -> list[Need]:
    """Install what is missing where that is allowed; the needs that stay unmet."""
    missing = [need for need in needs if not need.met()]
    apt = _apt_get()
    if missing and apt is not None:
        say(f"installing from the system's packages: {'; '.join(need.what for need in missing)}")
        _run([*apt, "update", "-qq"])
        for need in missing:
            _run([*apt, "install", "-y", "-qq", "--no-install-recommends", *_names(need)])
    return [need for need in missing if not need.met()]


def advice(unmet: Iterable[Need]) -> str:
    """What a user can do about them, a line each."""
    lines = ["The tests need what this machine does not have, and it may not be installed from here:"]
    for need in unmet:
        names = " ".join(" or ".join(choice) for choice in need.packages)
        variable = f", or set {need.variable}" if need.variable else ""
        lines.append(f"  - {need.what}: install {names} (Debian, Ubuntu: sudo apt-get install){variable}")
    lines += [
        "JOBS_FLOW_TEST_MYSQL_URL is mysql://user:password@host:port/name, of a user who may create databases;",
        "JOBS_FLOW_TEST_CHROMIUM is the path of a Chromium or Chrome program;",
        "JOBS_FLOW_TEST_DYNAMODB is the path of a dynoxide program;",
        "JOBS_FLOW_TEST_REDIS_URL, redis://host:port/0, replaces the embedded Valkey; the databases 0 to 2 are used.",
    ]
    return "\n".join(lines)


def _apt_get() -> list[str] | None:
    """The command that installs packages, when there is one and this user may run it without being asked."""
    program = shutil.which("apt-get")
    if program is None:
        return None
    # A machine without systemd starts no service of a package that is installed as if for a single user.
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", program]
    if os.geteuid() == 0:
        return command
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n", *command]
    return None


def _names(need: Need) -> list[str]:
    return [next((name for name in choice if _known(name)), choice[0]) for choice in need.packages]


def _known(package: str) -> bool:
    return bool(subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).stdout)


def _run(command: list[str]) -> None:
    """Run it with its output kept back; on failure show that, and let the caller see what is still missing."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(f"$ {' '.join(command)}\n{done.stdout}", flush=True)
