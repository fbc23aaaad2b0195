"""How soon watchers are told: ``python -m benchmarks.live``, or ``make benchmark-live``.

A throw-away Valkey, uvicorn with the example project (one process, then two), a process that changes task statuses as
workers do, and one with all the clients. The time is from just before a worker asks the storage for the change to
when the client has the message, on one machine and so on one clock; a client that was told of several changes in one
message had each of them then. Beside it pages that poll: the same server, Celery's result backend, every 500 ms.
The times are those of a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil

from tests.support.processes import WebServer, session_directory
from tests.support.servers import Valkey

#: Milliseconds that the slowest hundredth may take at so many sockets of one instance.
TARGET = 100
TARGET_SOCKETS = 1_000
#: Changes in a second, and at once.
RATE = 20.0
BURST = 200
TASKS = 400
#: How uvicorn is started; see docs/howto/delivery.md.
SERVER = ("--ws-per-message-deflate", "false", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True, slots=True)
class Times:
    """What clients saw of some changes."""

    #: Milliseconds, in order.
    sorted: list[float]
    #: Messages that a client got.
    messages: float

    def share(self, part: float) -> float:
        """The time that so many of them took at most."""
        return self.sorted[min(len(self.sorted) - 1, int(len(self.sorted) * part))]


class Bench:
    """The servers, and what is measured on them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.seconds = 3.0 if options.quick else options.seconds
        self.ws = options.ws
        self.valkey = Valkey(name="benchmark-live", watched=False).start()
        directory = session_directory()
        os.environ.update(
            DJANGO_SETTINGS_MODULE="benchmarks.live_settings",
            DATABASE_URL=f"sqlite:///{directory}/live.sqlite3",
            TESTPROJECT_VAR=str(directory / "var"),
            JOBS_FLOW_STORAGE_URL=self.valkey.database(1),
            CELERY_BROKER_URL=self.valkey.database(0),
            BENCHMARK_RESULTS=self.valkey.database(2),
        )
        import django

        django.setup()
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.test import Client

        call_command("migrate", verbosity=0)
        self.user = User.objects.create_user("watcher")
        client = Client()
        client.force_login(self.user)
        self.cookie = client.cookies["sessionid"].value

    def start_servers(self, count: int) -> list[WebServer]:
        servers = []
        for number in range(count):
            name = {"DJANGO_SETTINGS_MODULE": "benchmarks.live_settings"}
            server = WebServer("benchmarks.live_site:application", name=f"live{number}", env=name)
            server.argv += ["--ws", self.ws, *SERVER]
            server.argv += ["--ws-ping-interval", "600"]
            servers.append(server.start())
        for server in servers:
            _until_open(server.port)
        return servers

    def create(self, tasks: int = TASKS) -> str:
        """An instance that has just been started."""
        from jobs_flow.storages import create_storage
        from jobs_flow_django.models import WorkflowInstance
        from tests.support.live import DrivenInstance

        storage = create_storage(self.valkey.database(1))
        driven = DrivenInstance(storage, [f"t{n}" for n in range(tasks)]).create().start()
        WorkflowInstance.objects.create(id=driven.id, workflow="driven", fingerprint="f", owner=self.user)
        storage.close()
        return driven.id

    def clients(self, servers: list[WebServer], count: int, kind: str, target: str) -> subprocess.Popen[str]:
        """Connected, and told the state as of now."""
        order = {"servers": [f"127.0.0.1:{server.port}" for server in servers], "count": count, "kind": kind}
        process = _start("live_clients", {**order, "target": target, "cookie": self.cookie})
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("the clients could not connect; " + servers[0].output()[-2000:])
        return process

    def drive(self, instance: str, rate: float, amount: float, results: str = "") -> dict[str, Any]:
        """Change statuses; when that was, and what it cost."""
        order = {"storage": self.valkey.database(1), "instance": instance, "tasks": TASKS, "rate": rate}
        process = _start("live_driver", {**order, "amount": amount, "results": results})
        found: dict[str, Any] = json.loads(process.communicate()[0])
        return found

    def watched(self, servers: list[WebServer], count: int) -> None:
        """Print how soon sockets are told."""
        for name, rate, amount in ((f"{RATE:g} changes/s", RATE, self.seconds), (f"{BURST} at once", 0.0, BURST)):
            instance = self.create()
            process = self.clients(servers, count, "watch", instance) if count else None
            before = _cpu(servers)
            driven = self.drive(instance, rate, amount)
            seen = _seen(process, driven["times"]) if process else []
            spent = _cpu(servers) - before
            times = _times(driven["times"], seen) if process else None
            if process:
                process.communicate()
            yield_row(f"{count} sockets, {name}", times, driven, spent / (times.messages * count) if times else None)
            if count == TARGET_SOCKETS and rate and times:
                self.slowest = times.share(0.99)

    def polled(self, servers: list[WebServer], count: int) -> None:
        """Print how soon pages that poll are told."""
        # A task of its own, of which nothing is known yet.
        process = self.clients(servers, count, "poll", f"/progress/polled{count}/")
        driven = self.drive(f"polled{count}", RATE, self.seconds, self.valkey.database(2))
        times = _times(driven["times"], _seen(process, driven["times"]))
        process.communicate()
        yield_row(f"{count} pages polling, {RATE:g} changes/s", times, driven)

    def memory(self, count: int = 1_000) -> None:
        """Print what idle sockets cost, each time in a server that had none before."""
        for kind, what in (("connect", "connected"), ("watch", "watching an instance of 20 tasks")):
            server = self.start_servers(1)[0]
            instance = self.create(20)
            self.clients([server], 1, kind, instance).communicate("0\n")
            measured = psutil.Process(server.pid)
            before = measured.memory_info().rss
            process = self.clients([server], count, kind, instance)
            grown = measured.memory_info().rss - before
            print(f"{count} idle sockets {what}: {grown / 2**20:.1f} MB more in the server")
            process.communicate("0\n")
            server.end()


def yield_row(name: str, times: Times | None, driven: dict[str, Any], sending: float | None = None) -> None:
    """Print one line of the table."""
    cells = [""] * 5 if times is None else [f"{times.share(p):.1f}" for p in (0.5, 0.95, 0.99, 1.0)]
    if times is not None:
        cells.append(f"{times.messages:.0f}")
    cells.append("" if sending is None else f"{sending * 1e6:.0f}")
    cost = f"{driven['cpu'] * 1e6:.0f}", f"{driven['seconds'] * 1e6:.0f}"
    print(f"{name:<36}" + "".join(f"{cell:>9}" for cell in (*cells, *cost)), flush=True)


def main() -> None:
    """Measure, print; ends with 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 seconds of each instead of --seconds")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each case")
    parser.add_argument("--sockets", type=int, nargs="*", default=[0, 1, 100, 1_000])
    parser.add_argument("--ws", default="websockets-sansio", help="uvicorn's implementation of sockets")
    parser.add_argument("--no-polling", action="store_true", help="without pages that poll")
    parser.add_argument("--no-memory", action="store_true", help="without idle sockets")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2], help="web processes")
    options = parser.parse_args()
    bench = Bench(options)
    try:
        sys.exit(_measure(bench, options))
    finally:
        bench.valkey.end()


def _measure(bench: Bench, options: argparse.Namespace) -> int:
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load before {load:.1f}; uvicorn --ws {options.ws} {' '.join(SERVER[:2])}")
    for count in options.processes:
        servers = bench.start_servers(count)
        print(f"\n{count} web process{'es' if count > 1 else ''}; ms from the change to the client's message")
        titles = ("p50", "p95", "p99", "max", "messages", "µs each", "cpu µs", "wall µs")
        print(f"{'':<36}" + "".join(f"{title:>9}" for title in titles) + "   (a change, in the worker)")
        for sockets in options.sockets:
            bench.watched(servers, sockets)
        if count == 1 and not options.no_polling:
            for sockets in options.sockets:
                if sockets:
                    bench.polled(servers, sockets)
        for server in servers:
            server.end()
    if not options.no_memory:
        bench.memory()
    slowest = getattr(bench, "slowest", None)
    if slowest is None:
        return 0
    print(f"\np99 at {TARGET_SOCKETS} sockets: {slowest:.0f} ms, of {TARGET} that are allowed")
    return int(slowest > TARGET)


def _start(module: str, order: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return process


def _seen(process: subprocess.Popen[str], changes: Iterable[str]) -> list[list[int]]:
    """What the clients saw, once they were told of all changes; they stay connected."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{max(map(int, changes))}\n")
    process.stdin.flush()
    seen: list[list[int]] = json.loads(process.stdout.readline())
    return seen


def _times(changes: dict[str, int], seen: list[list[int]]) -> Times:
    found = []
    events = sorted((int(seq), at) for seq, at in changes.items())
    for client in seen:
        times, numbers = client[::2], client[1::2]
        for seq, at in events:
            position = bisect.bisect_left(numbers, seq)
            if position == len(numbers):
                raise SystemExit(f"a client was never told of change {seq}; it got as far as {numbers[-1:]}")
            found.append((times[position] - at) / 1e6)
    return Times(sorted(found), sum(len(client) / 2 for client in seen) / max(1, len(seen)))


def _cpu(servers: list[WebServer]) -> float:
    """Seconds of processor time that they have taken."""
    return sum(sum(psutil.Process(server.pid).cpu_times()[:2]) for server in servers)


def _until_open(port: int) -> None:
    import socket

    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
