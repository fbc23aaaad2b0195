"""Random operations on the model, and what has to be true after each of them.

Whatever happened to an instance, workers that go on claiming and recording bring it to an end: no timer, lane or
join counter was forgotten. The same invariants hold for the storages that ``jobs_flow.testing`` compares with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.memory_records import State
from jobs_flow.storages.records import Due, Grip, Hold, Loss, NewInstance, Outcome
from jobs_flow.testing.strategies import declarations
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import Blocked, NothingToResume, select_all, select_from, select_one, select_resume
from jobs_flow.workflows.states import ENDED, FINISHED

ERROR = {"code": "X", "message": "x"}
LEASE = 1_000
PICK = st.integers(0, 30)
STATUS = st.sampled_from(["ok", "ok", "ok", "skipped", "failed", "cancelled"])


class Machine(RuleBasedStateMachine):
    """One instance, its workers, and whoever asks something of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.storage = MemoryStorage(clock=lambda: self.now)
        self.tokens = 0
        #: Run and path of what was recorded ok.
        self.done: set[tuple[int, str]] = set()
        self.seq = 0
        self.updated_at = 0

    @initialize(tasks=declarations(), ephemeral=st.booleans())
    def create(self, tasks: list[Task], ephemeral: bool) -> None:
        self.plan = Plan.of(Workflow.parse("w", tasks))
        paths, tree = tuple(self.plan.nodes), self.plan.describe()
        self.storage.create_instance(
            NewInstance("id", "w", {}, {}, self.plan.fingerprint, tree, paths, ephemeral=ephemeral)
        )

    # -- what is there -----------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state itself: timers and lanes are not all to be read from outside."""
        return self.storage._states["id"]

    @property
    def working(self) -> bool:
        return self.state.status == "working"

    @property
    def undoing(self) -> bool:
        return self.working and self.state.undo == "running"

    def of(self, *statuses: str) -> list[str]:
        return [path for path, record in self.state.records.items() if record.status in statuses]

    def one_of(self, which: int, *statuses: str) -> str | None:
        found = self.of(*statuses)
        return found[which % len(found)] if found else None

    # -- runs --------------------------------------------------------------------------------

    @precondition(lambda self: not self.working)
    @rule(
        how=st.sampled_from(["all", "from", "one", "failed", "failed_and_downstream"]),
        which=PICK,
        keep=st.none() | st.integers(0, 5_000),
    )
    def start(self, how: str, which: int, keep: int | None) -> None:
        statuses = {path: record.status.value for path, record in self.state.records.items()}
        path = list(self.plan.nodes)[which % len(self.plan.nodes)]
        try:
            if how == "all":
                selection = select_all(self.plan)
            elif how in ("from", "one"):
                selection = (select_from if how == "from" else select_one)(self.plan, path, statuses)
            else:
                selection = select_resume(self.plan, statuses, how)
        except (Blocked, NothingToResume):
            return
        kept = {path: self.storage.get_task("id", path) for path in statuses if path not in selection.paths}
        self.storage.start_run("id", replace(selection, keep=keep))
        assert {path: self.storage.get_task("id", path) for path in kept} == kept

    @precondition(lambda self: self.working)
    @rule()
    def revert(self) -> None:
        self.storage.revert_run("id", self.state.run, ERROR)

    # -- workers -----------------------------------------------------------------------------

    def claim(self, path: str) -> str:
        record, paused = self.state.records[path], self.state.paused
        self.tokens += 1
        token = f"worker.{self.tokens}"
        call: dict[str, Any] = {"worker": "w", "inputs": (), "lease": LEASE, "revision": self.state.revision}
        said = self.storage.claim("id", path, self.state.run, token=token, **call).state
        if said == "granted":
            assert not paused
            assert not self.state.stopping(path)
            assert (self.state.run, path) not in self.done, "what is ok does not run again in this run"
            assert record.token == token
        return said

    def complete(self, path: str, token: str | None, status: str) -> None:
        tolerated = status in ("failed", "cancelled") and self.plan.nodes[path].task.on_failure == "continue"
        error = ERROR if status in ("failed", "cancelled") else None
        outcome = Outcome(status, source=path, error=error, tolerated=tolerated)
        call: dict[str, Any] = {"token": token, "outcome": outcome, "flow": self.plan.flow(path)}
        first = self.storage.complete("id", path, self.state.run, **call)
        assert first.recorded
        assert (first.finished is None) == self.working
        for queued in first.queued:
            assert self.state.records[queued].status == "queued"
        if status == "ok":
            self.done.add((self.state.run, path))
        if token is not None:
            assert self.storage.complete("id", path, self.state.run, **call) == first

    @rule(which=PICK)
    def take(self, which: int) -> None:
        path = self.one_of(which, "queued")
        if path is not None:
            self.claim(path)

    @rule(which=PICK)
    def take_what_is_not_to_be_had(self, which: int) -> None:
        path = self.one_of(which, "inactive", "running", "ok", "skipped", "failed", "cancelled")
        assert path is None or self.claim(path) != "granted"

    @rule(which=PICK, status=STATUS)
    def finish(self, which: int, status: str) -> None:
        path = self.one_of(which, "running")
        if path is not None:
            self.complete(path, self.state.records[path].token, status)

    @rule(which=PICK, status=STATUS)
    def step(self, which: int, status: str) -> None:
        path = self.one_of(which, "queued")
        if path is not None and self.claim(path) == "granted":
            self.complete(path, self.state.records[path].token, status)

    @rule(which=PICK, delay=st.sampled_from([0, 5, 5_000]))
    def retry(self, which: int, delay: int) -> None:
        path = self.one_of(which, "running")
        if path is None:
            return
        kept, stopping = len(self.state.records[path].attempts), self.state.stopping(path)
        token = str(self.state.records[path].token)
        call: dict[str, Any] = {"token": token, "outcome": Outcome("failed", error=ERROR), "delay": delay}
        said = self.storage.retry("id", path, self.state.run, **call)
        assert said.recorded is not stopping
        if said.recorded:
            assert self.storage.retry("id", path, self.state.run, **call) == said
            assert len(self.state.records[path].attempts) == kept + 1

    @rule(which=PICK, most=st.integers(0, 3))
    def lose(self, which: int, most: int) -> None:
        path = self.one_of(which, "running")
        if path is not None:
            loss = self.storage.lose("id", path, self.state.run, token="worker.*", max_losses=most, error=ERROR)
            assert (loss is Loss.REQUEUED) == (self.state.records[path].status == "queued")

    @rule()
    def renew(self) -> None:
        paths = list(self.state.records)
        holds = [Hold("id", path, self.state.run) for path in paths]
        for path, grip in zip(paths, self.storage.renew(holds, holder="worker.", lease=LEASE), strict=True):
            assert (grip is Grip.LOST) == (self.state.records[path].status != "running")

    # -- recovery ----------------------------------------------------------------------------

    @rule(by=st.sampled_from([1, 10, LEASE + 1, 20_000]))
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule()
    def recover(self) -> None:
        for due in self.storage.due():
            self.see_to(due)

    def see_to(self, due: Due) -> None:
        if due.kind == "lease":
            assert due.token is not None
            loss = self.storage.lose("id", due.path, due.run, token=due.token, max_losses=2, error=ERROR)
            assert loss is not Loss.REFUSED
            if loss in (Loss.POISONED, Loss.CANCELLED):
                self.complete(due.path, due.token, "failed" if loss is Loss.POISONED else "cancelled")
        elif due.kind == "retry":
            assert self.storage.release("id", due.path, due.run)
        elif due.kind in ("failed", "ended", "ephemeral", "expired"):
            self.storage.settle(due)
        assert due not in self.storage.due() or due.kind == "undo"

    # -- from outside ------------------------------------------------------------------------

    @rule(which=PICK, everywhere=st.booleans(), undo=st.booleans())
    def cancel(self, which: int, everywhere: bool, undo: bool) -> None:
        path = "#" if everywhere else list(self.plan.nodes)[which % len(self.plan.nodes)]
        self.storage.cancel("id", path, undo=undo)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.storage.pause("id", paused)

    @precondition(lambda self: not self.working)
    @rule(which=PICK)
    def reset(self, which: int) -> None:
        self.storage.reset("id", list(self.plan.nodes)[which % len(self.plan.nodes) :])

    @precondition(lambda self: not self.working)
    @rule(which=PICK)
    def begin_undo(self, which: int) -> None:
        begun = self.storage.begin_undo("id", list(self.plan.nodes)[: which % 4 + 1])
        assert (begun is not None) == self.undoing

    @precondition(lambda self: self.undoing)
    @rule(worker=st.integers(0, 1), fails=st.sampled_from([True, False, False, False]))
    def undo(self, worker: int, fails: bool) -> None:
        token = f"undo {worker}"
        claim = self.storage.claim_undo("id", self.state.run, token=token, worker="w", lease=LEASE)
        if claim.state == "granted":
            error = ERROR if fails else None
            first = self.storage.end_undo("id", self.state.run, claim.path, token=token, error=error)
            assert first.recorded
            assert self.storage.end_undo("id", self.state.run, claim.path, token=token, error=error) == first

    # -- what is always true -----------------------------------------------------------------

    @invariant()
    def counts_are_those_of_the_records(self) -> None:
        header = self.storage.get_instance("id")
        assert header is not None
        counted = Counter(record.status.value for record in self.state.records.values())
        assert {status: n for status, n in header.counts.items() if n} == counted
        assert header.total == len(self.plan.nodes)

    @invariant()
    def a_working_instance_has_something_to_do(self) -> None:
        open_tasks = self.of("queued", "running")
        if self.undoing:
            undos = Counter(record.undo for record in self.state.records.values())
            assert undos["queued"] + undos["running"] > 0
            assert undos["running"] <= 1
            assert ("undo", "#", "") in self.state.timers
            assert open_tasks == []
        elif self.working:
            assert open_tasks
        else:
            assert open_tasks == []

    @invariant()
    def every_task_that_is_open_comes_due_or_stands_in_line(self) -> None:
        for path, record in self.state.records.items():
            timers = {kind for kind, of, _ in self.state.timers if of == path}
            assert ("lease" in timers) == (record.status == "running")
            assert ("retry" in timers) == (record.retry_at is not None)
            assert (path in self.state.places) == (record.status == "queued" and record.retry_at is None)
            if record.status in ENDED:
                assert timers <= {"failed"}
            if record.status == "inactive":
                assert timers == set()

    @invariant()
    def no_timer_is_left_over(self) -> None:
        for kind, path, detail in self.state.timers:
            if kind == "failed":
                assert self.state.records[path].status == "failed"
            elif kind == "ephemeral":
                assert self.state.ephemeral
                assert self.state.status in FINISHED
            elif kind == "expired":
                assert not self.state.ephemeral
                assert self.state.keep is not None
                assert self.state.status in FINISHED
            elif kind == "ended":
                assert int(detail.split()[0]) <= self.state.run
            elif kind == "undo":
                assert self.undoing

    @invariant()
    def joins_never_wait_for_less_than_nothing(self) -> None:
        assert all(count >= 0 for count in self.state.outstanding.values())

    @invariant()
    def events_have_no_gap_and_times_do_not_go_back(self) -> None:
        events = self.storage.events("id", self.seq)
        assert events is not None
        assert [event.seq for event in events] == list(range(self.seq + 1, self.state.seq + 1))
        assert self.state.updated_at >= self.updated_at
        self.seq, self.updated_at = self.state.seq, self.state.updated_at

    def teardown(self) -> None:
        """Workers that go on bring it to an end, whatever was done to it before."""
        if not hasattr(self, "plan"):
            return
        self.storage.pause("id", False)
        for _ in range(20 * len(self.plan.nodes) + 20):
            if not self.working:
                break
            self.now += LEASE + 1
            self.drain()
            for check in (self.a_working_instance_has_something_to_do, self.counts_are_those_of_the_records):
                check()
        assert not self.working, "something is left that nobody ends"
        self.every_task_that_is_open_comes_due_or_stands_in_line()

    def drain(self) -> None:
        if self.undoing:
            claim = self.storage.claim_undo("id", self.state.run, token="last", worker="w", lease=LEASE)
            assert claim.state == "granted", "the lease of whoever had it has run out"
            self.storage.end_undo("id", self.state.run, claim.path, token="last", error=None)
            return
        for path in self.of("queued", "running"):
            record = self.state.records[path]
            if not self.working or record.status not in ("queued", "running"):
                continue
            if record.retry_at is not None:
                assert self.storage.release("id", path, self.state.run)
            if record.status == "running":
                self.complete(path, record.token, "ok")
                continue
            said = self.claim(path)
            assert said in ("granted", "cancelled")
            self.complete(path, record.token if said == "granted" else None, "ok" if said == "granted" else "cancelled")


Machine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase
