"""The threads in a worker's main process: what they renew, what they survive, and the forks beside them."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from celery.worker import state

from jobs_flow.backends.celery import deaths, forks, worker
from jobs_flow.backends.celery.forks import Gate, Gated
from jobs_flow.backends.celery.request import FlowRequest
from jobs_flow.backends.holder import process_prefix, worker_prefix
from jobs_flow.errors import BrokerUnavailable, ConfigurationError
from jobs_flow.ids import message_id
from jobs_flow.recovery import Recovery
from jobs_flow.storages.records import Hold
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.servers import Valkey

Start = Callable[..., Worker]

ENV = {"ENGINE_LEASE": "1.5"}


class Running:
    """As much of a request as the keeper looks at."""

    def __init__(self, task: Any, *args: Any) -> None:
        self.task = task
        self.args = args


class Renewals:
    """A storage that notes what is renewed."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Hold], str, int]] = []

    def renew(self, holds: list[Hold], *, holder: str, lease: int) -> list[Any]:
        self.calls.append((list(holds), holder, lease))
        return []


@pytest.fixture
def quiet(import_engine: Callable[..., ModuleType]) -> ModuleType:
    return import_engine(broker="memory://", storage="memory://")


@pytest.fixture
def storage(quiet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Renewals:
    found = Renewals()
    monkeypatch.setattr(quiet.jobs.runtime, "get_storage", lambda: found)
    return found


@pytest.fixture
def keeper(quiet: ModuleType, storage: Renewals) -> worker.Keeper:
    return worker.Keeper(quiet.jobs.backend, lambda: False)


@pytest.fixture
def running(quiet: ModuleType) -> Iterator[Callable[..., Running]]:
    requests: list[Running] = []

    def add(name: str, *args: Any) -> Running:
        requests.append(Running(quiet.app.tasks[name], *args))
        state.active_requests.add(requests[-1])
        return requests[-1]

    yield add
    for request in requests:
        state.active_requests.discard(request)


class TestKeeper:
    def test_a_task_is_renewed_from_the_second_look_on(
        self, keeper: worker.Keeper, storage: Renewals, running: Callable[..., Running]
    ) -> None:
        running("jobs_flow.step", "i", "#.a", 1)
        keeper._work()
        assert storage.calls == []
        later = running("jobs_flow.canvas_step", "j", "#.b", 2)
        running("tests.integration.apps.engine.double", 4)
        running("jobs_flow.canvas_end", "j", "#", 2)
        keeper._work()
        keeper._work()
        first, both = Hold("i", "#.a", 1), Hold("j", "#.b", 2)
        assert [call[0] for call in storage.calls[:1]] == [[first]]
        assert set(storage.calls[1][0]) == {first, both}
        assert storage.calls[0][1:] == (worker_prefix(), 30_000)
        state.active_requests.discard(later)
        keeper._work()
        assert storage.calls[2][0] == [first]

    def test_an_undo_is_renewed(
        self, keeper: worker.Keeper, storage: Renewals, running: Callable[..., Running]
    ) -> None:
        running("jobs_flow.undo", "i", "#", 2)
        keeper._work()
        keeper._work()
        assert storage.calls[0][0] == [Hold("i", "#", 2)]

    def test_odd_arguments_are_no_holds(
        self, keeper: worker.Keeper, storage: Renewals, running: Callable[..., Running]
    ) -> None:
        running("jobs_flow.step", "i")
        keeper._work()
        keeper._work()
        assert storage.calls == []


class TestStorageAway:
    def test_threads_go_on_when_the_storage_is_back(
        self,
        start_valkey: Callable[..., Valkey],
        valkey: Valkey,
        import_engine: Callable[..., ModuleType],
        start_worker: Callable[..., Worker],
        tmp_path: Path,
    ) -> None:
        """The storage is restarted, with its data, while a task runs; then its child is killed."""
        storage = start_valkey(name="storage", config={"appendonly": "yes", "appendfsync": "always"})
        engine = import_engine(broker=valkey.url, storage=storage.url)
        started = start_worker(engine.__name__, env=ENV)
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data, execute=True)
        eventually(lambda: (tmp_path / "calls").exists() and (tmp_path / "calls").read_text())
        child = (tmp_path / "calls").read_text()
        storage.terminate()
        os.kill(int(child), signal.SIGKILL)
        started.wait_for_output("jobs-flow-(recovery|leases): STORAGE_UNAVAILABLE", 20)
        storage.start()
        assert engine.jobs.wait(id, 30) == 2
        assert started.running

    def test_the_role_is_handed_over_at_a_shutdown(self, engine: ModuleType, start_engine: Start) -> None:
        """With a lease in which nobody would take it from the dead."""
        env = {"ENGINE_LEASE": "600"}
        first = start_engine(env=env)
        first.wait_for_output("this worker runs the recovery")
        assert first.terminate(30) == 0
        second = start_engine(env=env)
        second.wait_for_output("this worker runs the recovery", 30)


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("jobs_flow_lease", 0),
            ("jobs_flow_lease", "30"),
            ("jobs_flow_lease", True),
            ("jobs_flow_max_losses", -1),
            ("jobs_flow_max_losses", 1.5),
            ("jobs_flow_recovery", "yes"),
            ("jobs_flow_keep", 59),
            ("jobs_flow_keep", "30d"),
            ("jobs_flow_keep", True),
            ("jobs_flow_canvas_bytes", 0),
            ("jobs_flow_leese", 3),
        ],
    )
    def test_a_wrong_one_is_named(self, quiet: ModuleType, name: str, value: Any) -> None:
        quiet.app.conf[name] = value
        with pytest.raises(ConfigurationError, match=name):
            quiet.jobs.backend.setting(name if name != "jobs_flow_leese" else "jobs_flow_lease")

    def test_the_policy_is_theirs(self, quiet: ModuleType) -> None:
        quiet.app.conf.jobs_flow_lease = 12
        quiet.app.conf.jobs_flow_max_losses = 0
        quiet.app.conf.jobs_flow_keep = timedelta(days=2)
        policy = quiet.jobs.backend.policy
        assert (policy.lease_ms, policy.heartbeat, policy.max_losses) == (12_000, 4, 0)
        assert policy.keep == 172_800
        assert quiet.jobs.runtime.keep_of("chain") == 172_800_000

    @pytest.mark.parametrize(
        ("name", "value", "said"), [("ENGINE_LEASE", "0", "jobs_flow_lease"), ("ENGINE_BODIES", "ftp://x", "s3://")]
    )
    def test_a_worker_with_a_wrong_setting_says_so_and_ends(
        self, engine: ModuleType, start_engine: Start, name: str, value: str, said: str
    ) -> None:
        started = start_engine(env={name: value}, wait=False)
        assert started.wait(60) != 0
        assert said in started.output()


class TestGates:
    def test_a_fork_waits_for_a_call_and_the_next_call_for_the_fork(self) -> None:
        gate, inside, go_on, done = Gate(), threading.Event(), threading.Event(), []

        class Slow:
            def call(self) -> None:
                inside.set()
                go_on.wait(60)
                done.append("call")

        thread = threading.Thread(target=lambda: [Gated(Slow(), gate).call() for _ in range(2)])
        thread.start()
        assert inside.wait(30)
        threading.Timer(0.1, go_on.set).start()
        gate.close(time.monotonic() + 60)
        assert done == ["call"]
        done.append("fork")
        gate.open()
        thread.join(30)
        assert done == ["call", "fork", "call"]

    def test_a_fork_does_not_wait_for_ever(self) -> None:
        gate = Gate()
        held = threading.Event()
        over = threading.Event()
        released = threading.Event()

        def hold() -> None:
            with gate:
                held.set()
                over.wait(60)
                released.set()

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(30)
        gate.close(time.monotonic() + 0.2)
        gate.open()
        assert not released.is_set()
        over.set()
        thread.join(30)
        with gate:
            pass

    def test_a_child_has_its_gates_open(self) -> None:
        gate = Gate()
        with gate:
            pid = os.fork()
            if pid == 0:
                # The lock of the parent's thread is not this process's.
                ok = gate._lock.acquire(timeout=1)
                os._exit(0 if ok and not gate._forking.is_set() else 1)
        assert os.waitpid(pid, 0)[1] == 0

    def test_a_child_has_no_lock_of_what_recovery_does_with_the_index(
        self, quiet: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As of a driver that is imported when it connects: a child that inherits that lock hangs for ever."""
        lock, inside = threading.Lock(), threading.Event()

        def unfinished(*args: Any) -> list[Any]:
            with lock:
                inside.set()
                time.sleep(0.3)
            return []

        monkeypatch.setattr(quiet.jobs.index, "unfinished", unfinished)
        # So that this fork never loses patience, however long either thread has to wait for its turn.
        monkeypatch.setattr(forks, "PATIENCE", 60.0)
        steward = worker.Steward(quiet.jobs.backend)
        steward.start()
        try:
            assert inside.wait(30)
            with warnings.catch_warnings():
                # Newer Pythons warn of just what is tested here.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                os._exit(0 if lock.acquire(timeout=1) else 1)
            assert os.waitpid(pid, 0)[1] == 0
        finally:
            steward.stop()

    def test_children_start_while_recovery_is_busy(self, engine: ModuleType, start_engine: Start) -> None:
        """Each task has a new child, forked from a process whose threads talk to both servers all the time."""
        # Such a lease may run out while a child is new: that is no reason to give a task up.
        env = {"ENGINE_LEASE": "0.3", "ENGINE_MAX_LOSSES": "1000"}
        start_engine(env=env, options=["--max-tasks-per-child", "1"])
        lost = [engine.jobs.create_workflow_instance("skipped_block", execute=True) for _ in range(10)]
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            broker.delete("celery")
        context = {"calls": os.devnull}
        ids = [engine.jobs.create_workflow_instance("marked", base_context=context, execute=True) for _ in range(8)]
        for id in [*ids, *lost]:
            engine.jobs.wait(id, 240)


class TestReports:
    """What the main process says of its children names the process that died, and no other."""

    @pytest.fixture
    def request_of(self, quiet: ModuleType) -> Callable[..., FlowRequest]:
        def make(pid: int | None) -> FlowRequest:
            request: Any = FlowRequest.__new__(FlowRequest)
            request._app = quiet.app
            request._task = quiet.app.tasks["jobs_flow.step"]
            request._args = ("i", "#.a", 1)
            request.worker_pid = pid
            found: FlowRequest = request
            return found

        return make

    def test_the_token_is_that_of_the_child(self, quiet: ModuleType, request_of: Callable[..., FlowRequest]) -> None:
        reports: list[deaths.Death] = []
        quiet.jobs.backend.reports = reports.append
        request_of(4711)._report("WORKER_LOST", "WorkerLostError", "gone")
        (death,) = reports
        assert death.token == process_prefix(4711) + "*"
        assert (death.instance_id, death.path, death.run) == ("i", "#.a", 1)

    @pytest.mark.parametrize("pid", [None, os.getpid()], ids=["none", "own"])
    def test_this_process_is_not_dead(
        self, quiet: ModuleType, request_of: Callable[..., FlowRequest], pid: int | None
    ) -> None:
        reports: list[deaths.Death] = []
        quiet.jobs.backend.reports = reports.append
        request_of(pid)._report("WORKER_LOST", "WorkerLostError", "gone")
        assert reports == []

    def test_the_death_of_a_duplicate_ends_nothing(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        """A second delivery, in another child of the same worker, is killed while the first one works."""
        start_engine(concurrency=2)
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data, execute=True)
        eventually(lambda: (tmp_path / "calls").exists())
        recovery = Recovery(engine.jobs.runtime, engine.jobs.backend)
        death = deaths.Death(id, "#.a", 1, process_prefix(1) + "*", "WORKER_LOST", "WorkerLostError", "gone")
        deaths.see_to(engine.jobs.runtime, recovery, death)
        revoked = deaths.Death(id, "#.a", 1, None, "REVOKED", "Revoked", "revoked")
        deaths.see_to(engine.jobs.runtime, recovery, revoked)
        assert engine.jobs.get_tasks_statuses(id)["#.a"]["status"] == "running"
        (tmp_path / "gate").touch()
        assert engine.jobs.wait(id, 20) == 1
        assert engine.jobs.get_tasks_statuses(id)["#.a"]["losses"] == 0

    def test_a_terminated_task_is_cancelled(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        start_engine(concurrency=1)
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data, execute=True)
        eventually(lambda: (tmp_path / "calls").exists())
        engine.app.control.revoke(message_id(id, "#.a", 1), terminate=True, signal="SIGKILL")
        eventually(lambda: engine.jobs.get_workflow(id)["status"] == "cancelled", 40)
        assert engine.jobs.get_task(id, "#.a")["error"]["code"] == "REVOKED"


class TestQueues:
    def test_lanes_are_queues_with_priorities(self, engine: ModuleType) -> None:
        jobs = engine.jobs
        header = jobs.runtime.header(jobs.create_workflow_instance("routed"))
        plan = jobs.runtime.plan_of(header)
        lanes = [jobs.backend.lane_of(plan, path) for path in ("#.a", "#.b", "#.c")]
        assert lanes == [":elsewhere", ":elsewhere", ":celery"]

    def test_a_queue_is_drained_when_no_priority_of_it_has_messages(self, engine: ModuleType) -> None:
        backend = engine.jobs.backend
        assert backend.drained(":celery")
        engine.note.apply_async(("x",), priority=6)
        assert not backend.drained(":celery")
        assert backend.drained("6:nobody.made.it")

    def test_a_broker_that_is_away(self, valkey: Valkey, import_engine: Callable[..., ModuleType]) -> None:
        engine = import_engine(broker="redis://127.0.0.1:1/0", storage=valkey.url)
        with pytest.raises(BrokerUnavailable):
            engine.jobs.backend.drained(":celery")
        with pytest.raises(BrokerUnavailable):
            engine.jobs.backend.dispatch_undo("i", 1)
        engine.jobs.backend.revoke("i", 1, ["#.a"])

    def test_workers_are_told_what_to_drop(self, engine: ModuleType, start_engine: Start) -> None:
        started = start_engine(concurrency=1)
        revoked = engine.app.control.inspect(timeout=5, limit=1).revoked
        # A worker is ready a moment before it hears what is said to all.
        eventually(revoked, 30)
        engine.jobs.backend.revoke("i", 1, ["#.a"])
        eventually(lambda: [message_id("i", "#.a", 1)] in list((revoked() or {}).values()), 30)
        assert started.running
