"""``python -m testproject.demo``: the demo in one command. ``--once`` needs no browser."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import urlopen

from rich.console import Console

from testproject.demo import once, project, valkey
from testproject.demo.children import STOPPING, Child, Children, DemoError, wait_until
from testproject.demo.ports import HOST, listen
from testproject.demo.shared import Shared, share

ROOT = Path(__file__).resolve().parents[2]
PORT = 8000
#: Exit code when the demo itself cannot go on; 1 is for a task that failed.
BROKEN = 3

# Without mingle, a worker is ready a second earlier.
WORKER = (
    *(sys.executable, "-m", "celery", "-A", "testproject", "worker", "-c", "2", "-n", f"demo-{os.getpid()}@%h"),
    *("--loglevel", "INFO", "--without-mingle", "--without-gossip"),
)
WEB = (sys.executable, "-m", "uvicorn", "testproject.asgi:application", "--timeout-graceful-shutdown", "2")


class Stopped(BaseException):
    """Somebody asked the demo to stop. No ``except Exception`` on the way may keep it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m testproject.demo",
        description="Start Valkey, a Celery worker and the web server, and stop them together on Ctrl-C.",
        epilog=f"DATABASE_URL, {', '.join(valkey.VARIABLES)} in the environment replace what the demo brings.",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="of the web server; the next free one is taken if it is busy"
    )
    parser.add_argument("--once", action="store_true", help="make one report in the terminal, without web server")
    group = parser.add_argument_group("with --once")
    group.add_argument("--csv", metavar="FILE", help="readings of your own, with the columns of the demo's")
    group.add_argument("--year", type=int, help="report on this year only")
    group.add_argument("--no-rain", action="store_true", help="leave the rain out; its tasks are skipped")
    group.add_argument("--keep", action="store_true", help="leave Valkey running afterwards, until Ctrl-C")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port is a number from 1 to 65535")
    if not options.once and (options.csv or options.year or options.no_rain or options.keep):
        parser.error("--csv, --year, --no-rain and --keep go with --once")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; its exit code."""
    options = parse(arguments)
    console = Console()
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        return run(options, console)
    except Stopped as stopped:
        say(console, "Stopped.")
        return 128 + stopped.number if options.once and not options.keep else 0
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return BROKEN


def _stop(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second Ctrl-C must not interrupt the stopping and leave a process behind.
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def say(console: Console, text: str = "") -> None:
    """A line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def run(options: argparse.Namespace, console: Console) -> int:
    """Everything up, the work, everything down."""
    var = Path(os.environ.get("TESTPROJECT_VAR") or ROOT / "var").resolve()
    os.environ.update(_environment(var, pace="0.1" if options.once else "0.25"))
    with ExitStack() as stack:
        shared = stack.enter_context(share(var))
        suffix = "" if shared.first else f"-{os.getpid()}"
        children = stack.enter_context(Children(var / "log", suffix=suffix, held=[shared.descriptor]))
        url = _redis(children, shared, var)
        # First, because it takes longest; it has nothing to do before the tables are there.
        worker = children.start("worker", WORKER, directory=ROOT)
        password = project.prepare(var)
        code = 0
        if options.once:
            code = once.run(options, children, console)
        else:
            address = _serve(options.port, children, worker, console)
            say(console)
            say(console, f"Open       {address}{project.login_path()}")
            say(console, f"           (works once; then {address}/ as demo, password {password})")
            say(console, f"Database   {project.database_label()}")
            say(console, f"Logs       {worker.log.parent}")
        stays = options.keep or not options.once
        if url and (stays or not shared.first):
            say(console, f"Records    redis-cli -p {urlsplit(url).port}")
        elif url:
            say(console, f"Records    {var / 'valkey'} (with --keep, Valkey goes on and shows them)")
        if not stays:
            return code
        say(console, "Ctrl-C stops everything.")
        return _stay(children, None if shared.first else url)


def _environment(var: Path, pace: str) -> dict[str, str]:
    """What the processes of the demo have in common."""
    return {
        "DJANGO_SETTINGS_MODULE": "testproject.settings",
        "TESTPROJECT_VAR": str(var),
        "JOBS_FLOW_DEMO": "1",
        # matplotlib looks through all fonts once, and keeps what it found.
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR") or str(var / "matplotlib"),
        # On a page the tasks take their time; in the terminal there is less to look at.
        "DEMO_PACE": os.environ.get("DEMO_PACE") or pace,
    }


def _redis(children: Children, shared: Shared, var: Path) -> str | None:
    """The URL of the demo's own Valkey, put wherever the environment names no other; None when none is needed."""
    for name in valkey.VARIABLES:
        if given := os.environ.get(name):
            project.check_server(name, given)
    if not (needed := valkey.missing(os.environ)):
        return None
    if shared.first:
        url = valkey.start(children, var / "valkey")
        shared.publish(url)
    else:
        found = shared.valkey()
        if found is None or not valkey.answers(found):
            raise DemoError(f"Another demo is starting or stopping on {var}. Wait for it, or set TESTPROJECT_VAR.")
        url = found
    os.environ.update(dict.fromkeys(needed, url))
    return url


def _serve(port: int, children: Children, worker: Child, console: Console) -> str:
    """Start the web server; its address once it and the worker are ready."""
    with listen(port) as listener:
        number = listener.fileno()
        command = [*WEB, "--fd", str(number)]
        children.start("web", command, directory=ROOT, descriptors=[number])
        chosen = listener.getsockname()[1]
    if chosen != port:
        say(console, f"Port {port} is busy; using {chosen}.")
    address = f"http://{HOST}:{chosen}"
    wait_until(lambda: _loads(f"{address}/login/"), children, "The web server")
    wait_until(lambda: b" ready." in worker.log.read_bytes(), children, "The worker")
    return address


def _loads(page: str) -> bool:
    try:
        with urlopen(page, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _stay(children: Children, borrowed: str | None) -> NoReturn:
    """Until somebody stops it, or one of the children ends, or the Valkey of another demo that it uses."""
    while True:
        for _ in range(10):
            children.check()
            time.sleep(0.2)
        if borrowed and not valkey.answers(borrowed):
            raise DemoError("The demo whose Valkey this one used has ended.")


if __name__ == "__main__":
    sys.exit(main())
