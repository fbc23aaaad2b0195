"""What only the storage in DynamoDB has to prove: large transitions, put-backs, sizes of items, writers at one time."""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, Phase, given, settings

from jobs_flow.storages import MemoryStorage
from jobs_flow.storages.bodies import size_of
from jobs_flow.storages.dynamodb import DynamoStorage, redo, writes
from jobs_flow.storages.records import TOMBSTONE_KEPT, NewInstance, Outcome
from jobs_flow.testing.differential import _Comparison, compare, records
from jobs_flow.testing.differential_ops import Op, histories
from jobs_flow.testing.scenario import LEASE, Scenario, failed, ok, plain, task
from jobs_flow.workflows.selection import select_all, select_from, select_one
from tests.support.servers_dynamodb import fresh

_session = functools.cache(boto3.session.Session)


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session, "Session", _session)


@pytest.fixture
def open_again(dynamodb_url: str) -> Iterator[Callable[[], DynamoStorage]]:
    """Opens the same empty storage, as another process would."""
    url, opened = fresh(dynamodb_url), []

    def open_it() -> DynamoStorage:
        opened.append(DynamoStorage(url))
        check_requests(opened[-1])
        return opened[-1]

    yield open_it
    for storage in opened:
        storage.close()


@pytest.fixture
def storage(open_again: Callable[[], DynamoStorage]) -> DynamoStorage:
    return open_again()


def check_requests(storage: DynamoStorage) -> None:
    """Have each request compared with the service's description of it, and with its limits."""
    call, connection = storage.connection.call, storage.connection

    def checked(operation: str, **kwargs: Any) -> dict[str, Any]:
        client = connection.client
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        report = ParamValidator().validate(kwargs, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        if operation == "transact_write_items":
            sizes = [check_write(each) for each in kwargs["TransactItems"]]
            keys = [json.dumps(key_of(each)) for each in kwargs["TransactItems"]]
            assert len(sizes) <= 100
            assert sum(sizes) <= 4_000_000
            assert len(set(keys)) == len(keys), "no item twice"
        if operation == "batch_write_item":
            (batch,) = kwargs["RequestItems"].values()
            assert len(batch) <= 25
            assert len(json.dumps(batch, default=str)) <= 16_000_000
        return call(operation, **kwargs)

    connection.call = checked  # type: ignore[method-assign]


def key_of(write: dict[str, Any]) -> Any:
    ((_, request),) = write.items()
    return request["Key"] if "Key" in request else [request["Item"][name] for name in ("Key", "Sort")]


def check_write(write: dict[str, Any]) -> int:
    ((_, request),) = write.items()
    assert len(request.get("UpdateExpression", "")) <= 4096
    said = "".join(str(request.get(name, "")) for name in ("UpdateExpression", "ConditionExpression"))
    for name in (*request.get("ExpressionAttributeNames", ()), *request.get("ExpressionAttributeValues", ())):
        assert name in said, "the service refuses names that are not used"
    return len(json.dumps(request, default=str))


def every_item(storage: DynamoStorage) -> list[dict[str, Any]]:
    """All items of the storage, as the service gives them."""
    pages = storage.connection.client.get_paginator("scan").paginate(TableName=storage.connection.table)
    prefix = storage.connection.prefix
    return [item for page in pages for item in page["Items"] if item["Key"]["S"].startswith(prefix)]


def item_size(item: dict[str, Any]) -> int:
    def size(typed: dict[str, Any]) -> int:
        ((kind, value),) = typed.items()
        if kind == "M":
            return 3 + sum(len(name) + 1 + size(each) for name, each in value.items())
        return len(value.encode()) if kind == "S" else len(value) if kind == "B" else 21

    return sum(len(name) + size(value) for name, value in item.items())


def texts_in_use(items: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """Names of the long texts that items point to, and of those that are there."""
    used = {value["M"]["name"]["S"] for item in items for value in item.values() if "M" in value}
    there = {item["Sort"]["S"].split("#")[1] for item in items if item["Sort"]["S"].startswith("o#")}
    return used, there


def block(size: int) -> Any:
    return task("a", *(task(f"t{n:03}") for n in range(size)))


class Died(BaseException):
    """A process that ends in the middle of something."""


class TestALargeTransition:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redo, "PATIENCE", 300)

    def test_three_hundred_are_queued_by_one(self, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, block(300), task("b"))
        scenario.start()
        assert len(scenario.do("#.a").queued) == 300
        assert Counter(scenario.statuses.values()) == {"ok": 1, "queued": 300, "inactive": 1}
        assert scenario.instance.counts["queued"] == 300
        assert not [item for item in every_item(storage) if item["Sort"]["S"].startswith("redo#")]

    @pytest.mark.parametrize("done", [0, 1], ids=["before it began", "in the middle"])
    def test_others_do_what_is_left_of_one_that_died(
        self, storage: DynamoStorage, open_again: Callable[[], DynamoStorage], done: int
    ) -> None:
        scenario = self._killed(storage, done)
        others = [open_again() for _ in range(3)]
        there = [Scenario.there(other, scenario.id, block(120)) for other in others]
        reads: list[Callable[[Scenario], Any]] = [
            lambda s: set(s.statuses.values()),
            lambda s: {s.task("#.a.t119")["status"]},
            lambda s: {s.claim("#.a.t118").state},
        ]
        with ThreadPoolExecutor(3) as pool:
            statuses, one, claimed = pool.map(lambda read, scenario: read(scenario), reads, there)
        assert statuses <= {"ok", "queued", "running"}, "all of it, or nothing was seen of it"
        assert (one, claimed) == ({"queued"}, {"granted"})
        statuses = Counter(there[0].statuses.values())
        assert statuses == {"ok": 1, "queued": 119, "running": 1}
        assert scenario.events()[-2].data["tasks"].keys() >= {"#.a.t000", "#.a.t119"}
        assert not [item for item in every_item(storage) if item["Sort"]["S"].startswith("redo#")]

    @staticmethod
    def _killed(storage: DynamoStorage, done: int) -> Scenario:
        """An instance of a block of 120 whose large transition stopped after so many of its parts."""
        scenario = Scenario(storage, block(120))
        scenario.start()
        scenario.claim("#.a")
        do_some, parts = storage.redo._do_some, itertools.count()

        def die(*arguments: Any) -> bool:
            if next(parts) == done:
                raise Died
            return do_some(*arguments)

        storage.redo._do_some = die  # type: ignore[method-assign]
        with pytest.raises(Died):
            scenario.complete("#.a", ok("#.a"))
        storage.redo._do_some = do_some  # type: ignore[method-assign]
        return scenario

    def test_whoever_wakes_up_late_overwrites_nothing(
        self, storage: DynamoStorage, open_again: Callable[[], DynamoStorage]
    ) -> None:
        scenario = Scenario(storage, block(120), task("z"))
        scenario.start()
        scenario.claim("#.a")
        do_some, asleep, wake = storage.redo._do_some, threading.Event(), threading.Event()

        def sleep(*arguments: Any) -> bool:
            asleep.set()
            assert wake.wait(30)
            return do_some(*arguments)

        storage.redo._do_some = sleep  # type: ignore[method-assign]
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(scenario.complete, "#.a", ok("#.a"))
            assert asleep.wait(30)
            other = open_again()
            there = Scenario.there(other, scenario.id, block(120), task("z"))
            there.do("#.a.t000")
            there.claim("#.a.t001")
            other.append_logs(scenario.id, "#.a.t001", 1, token="token", lines=["x"])
            before = there.snapshot
            wake.set()
            assert len(late.result().queued) == 120
        assert there.snapshot == before

    def test_one_that_was_deleted_meanwhile_stays_so(
        self, storage: DynamoStorage, open_again: Callable[[], DynamoStorage]
    ) -> None:
        scenario = Scenario(storage, block(120))
        scenario.start()
        scenario.claim("#.a")
        do_some, asleep, wake = storage.redo._do_some, threading.Event(), threading.Event()

        def sleep(*arguments: Any) -> bool:
            asleep.set()
            assert wake.wait(30)
            return do_some(*arguments)

        storage.redo._do_some = sleep  # type: ignore[method-assign]
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(scenario.complete, "#.a", ok("#.a"))
            assert asleep.wait(30)
            other = open_again()
            assert other.delete_instance(scenario.id) is not None
            other.create_instance(scenario.new)
            again = Scenario.there(other, scenario.id, block(120))
            again.start()
            wake.set()
            late.result()
        assert Counter(again.statuses.values()) == {"queued": 1, "inactive": 120}
        assert not [item for item in every_item(storage) if "#.a.t" in item["Sort"]["S"]]

    def test_a_process_is_killed(self, storage: DynamoStorage, dynamodb_url: str) -> None:
        scenario = Scenario(storage, block(100))
        scenario.start()
        scenario.claim("#.a")
        storage.connection.close()
        child = multiprocessing.get_context("fork").Process(target=_complete_and_die, args=(scenario,))
        child.start()
        child.join(30)
        assert child.exitcode == -signal.SIGKILL
        assert Counter(scenario.statuses.values()) == {"ok": 1, "queued": 100}
        again = scenario.complete("#.a", ok("#.a"))
        assert (again.recorded, len(again.queued)) == (True, 100)

    def test_texts_that_two_tasks_share(self, storage: DynamoStorage) -> None:
        """Each head has the argument of the run; the one that is done with it takes it from nobody else."""
        argument = json.dumps("x" * 60_000)
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(select_one(scenario.plan, "#.a", {}, argument))
        scenario.do("#.a", ok("#.a", 1, argument=argument))
        scenario.start(select_one(scenario.plan, "#.b", {"#.a": "ok"}, argument))
        scenario.do("#.b", ok("#.b", "x" * 60_000, argument=argument))
        storage.reset(scenario.id, ["#.a"])
        storage.reset(scenario.id, ["#.a", "#.b"])
        used, there = texts_in_use(every_item(storage))
        assert used == there


def _complete_and_die(scenario: Scenario) -> None:
    storage = scenario.storage
    assert isinstance(storage, DynamoStorage)
    storage.redo._do = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    scenario.complete("#.a", ok("#.a"))


WIDE = [task(f"b{n}", *(task(f"t{m}") for m in range(5)), on_failure=("stop", "continue")[n % 2]) for n in range(5)]


class TestPutBacks:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writes, "PUT_BACK_SINGLY", 2)
        monkeypatch.setattr(writes, "PUT_BACKS", 3)
        monkeypatch.setattr(writes, "MOST_ITEMS", 5)
        monkeypatch.setattr(redo, "BATCH", 3)

    def test_random_histories(self, storage: DynamoStorage) -> None:
        compare([storage], 3)

    def test_random_histories_of_a_wide_plan(self, storage: DynamoStorage) -> None:
        @settings(
            max_examples=2,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(ops=histories())
        def play(ops: list[Op]) -> None:
            model = MemoryStorage(clock=itertools.count(1_000_000).__next__)
            header: dict[str, Any] = {"instance_id": storage.new_id(), "realm": "wide"}
            _Comparison(Scenario(model, *WIDE, **header), [Scenario(storage, *WIDE, **header)]).play(ops)

        play()


class TestManyRuns:
    def test_reruns_and_resets_leave_what_the_model_has(self, storage: DynamoStorage) -> None:
        """More than 25 paths at a time, more often than a header counts."""
        model = MemoryStorage(clock=itertools.count(1_000_000).__next__)
        instance_id = storage.new_id()
        scenarios = [Scenario(each, *WIDE, instance_id=instance_id) for each in (model, storage)]
        paths = list(scenarios[0].plan.nodes)
        # All, all but the first block, one task; put back all, most, a few.
        runs = [
            lambda plan: select_all(plan),
            lambda plan: select_from(plan, "#.b1", dict.fromkeys(paths, "ok")),
            lambda plan: select_one(plan, "#.b0", dict.fromkeys(paths, "ok")),
        ]
        resets = [[], paths, [], paths[2:], paths[:3], [], paths[1:]]
        for number in range(24):
            for scenario in scenarios:
                scenario.start(runs[number % 3](scenario.plan))
                for path in ("#.b0", "#.b0.t0", "#.b1"):
                    if scenario.task(path)["status"] == "queued":
                        scenario.claim(path)
                        scenario.storage.append_logs(
                            instance_id, path, scenario.run, token="token", lines=[f"{number}"]
                        )
                        scenario.complete(path, ok(path, number) if number % 4 else failed())
                self._end(scenario)
                if resets[number % 7]:
                    scenario.storage.reset(instance_id, resets[number % 7])
            looked_at = paths if number % 8 == 7 else paths[number % 5 :: 9]
            ours, theirs = (records(each.storage, instance_id, looked_at) for each in scenarios)
            assert theirs == ours, number
            ours_now, theirs_now = (plain(each.snapshot) for each in scenarios)
            assert theirs_now == ours_now, number

    @staticmethod
    def _end(scenario: Scenario) -> None:
        """End a run by a failure of whatever is queued."""
        while scenario.instance.status == "working":
            for path, status in scenario.statuses.items():
                if status == "queued":
                    scenario.complete(path, Outcome("cancelled", error={"code": "X", "message": "x"}), token=None)


class TestTimersThatAPutBackTookBack:
    def test_they_do_not_stay_in_the_way_of_others(self, storage: DynamoStorage) -> None:
        """The items of put-back records still say what the index sorts by, until somebody looks."""
        scenario = Scenario(storage, block(30))
        scenario.start()
        for path in scenario.do("#.a").queued:
            scenario.complete(path, failed(), token=None)
            scenario.bring_due("failed", path)
        scenario.start()
        scenario.do("#.a", failed())
        scenario.bring_due("failed", "#.a")
        found = [storage.due(limit=10) for _ in range(5)]
        assert [due.path for due in found[-1]] == ["#.a"]


class TestSizes:
    def test_no_item_is_too_large_and_nothing_is_left(self, storage: DynamoStorage) -> None:
        texts = [json.dumps("é" * 125_000), json.dumps("x" * 250_000)]
        scenario = Scenario(storage, task("a"), task("b"), data={"x": "y" * 500_000}, key="k")
        scenario.start(select_all(scenario.plan, texts[1]))
        scenario.claim("#.a")
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["z" * 8_000] * 1_000)
        big = {"argument": texts[0], "context": texts[1], "updaters": texts[1], "traceback": "t" * 250_000}
        scenario.complete("#.a", Outcome("ok", body=texts[0], source="#.a", **big))  # type: ignore[arg-type]
        self._fits(storage)
        record = scenario.task("#.a")
        assert [record[name] for name in ("body", "argument", "context")] == [json.loads(texts[n]) for n in (0, 0, 1)]
        assert record["traceback"] == big["traceback"]
        assert scenario.snapshot.tasks["#.a"]["bodySize"] == size_of(texts[0])
        assert "body" not in scenario.snapshot.tasks["#.a"]
        assert len(storage.get_logs(scenario.id, ["#.a"])["#.a"]) == 1_000
        assert len(scenario.events()) == 5
        # Replaced texts go: by the outcome of another run, by a reset, by another definition.
        scenario.do("#.b", failed({"code": "X", "message": "m" * 10_000}))
        scenario.start()
        scenario.do("#.a")
        new = NewInstance(**{**_fields(scenario.new), "data": {"x": "n" * 500_000}})
        assert storage.update_instance(new, revision=1) is not None
        self._fits(storage)
        assert scenario.instance.data == new.data
        self._nothing_is_left(storage, scenario)

    def test_half_a_surrogate_pair_in_an_attempt(self, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["\ud800"])
        scenario.retry("#.a", outcome=failed({"code": "X", "message": "\ud800"}))
        assert [(each["error"]["message"], each["logs"]) for each in scenario.attempts("#.a")] == [
            ("\ud800", ["\ud800"])
        ]

    def test_five_thousand_tasks_and_two_thousand_failures(self, storage: DynamoStorage) -> None:
        tasks = [block(2_000), *(task(f"b{n}", *(task(f"t{m}") for m in range(99))) for n in range(30))]
        scenario = Scenario(storage, *tasks)
        assert len(scenario.plan.nodes) == 5_001
        scenario.start()
        assert len(scenario.do("#.a").queued) == 2_000
        self._fits(storage)
        assert len(scenario.snapshot.tasks) == 5_001
        for number in range(5):
            path = f"#.a.t{number:03}"
            scenario.complete(path, failed({"code": "X", "message": "m" * 10_000}), token=None)
        assert scenario.instance.counts["failed"] == 5
        self._fits(storage)
        self._nothing_is_left(storage, scenario)

    @pytest.mark.parametrize("instance_id", ["é" * 350, "i" * 700, "a/b %\n\t"])
    def test_ids_as_long_as_they_may_be(self, storage: DynamoStorage, instance_id: str) -> None:
        scenario = Scenario(storage, task("a" * 100), instance_id=instance_id, realm="r" * 2_000, key="k" * 2_000)
        scenario.start()
        (path,) = scenario.plan.nodes
        scenario.do(path)
        assert storage.list_ids(realm="r" * 2_000) == [instance_id]
        assert storage.find_key("scenario", "k" * 2_000, realm="r" * 2_000) == instance_id

    @staticmethod
    def _fits(storage: DynamoStorage) -> None:
        items = every_item(storage)
        assert max(map(item_size, items)) < 400 * 1024
        used, there = texts_in_use(items)
        assert used == there, "each text is pointed to, and is there"

    @staticmethod
    def _nothing_is_left(storage: DynamoStorage, scenario: Scenario) -> None:
        storage.delete_instance(scenario.id)

        def left() -> list[str]:
            keys = [item["Key"]["S"].removeprefix(storage.connection.prefix) for item in every_item(storage)]
            return [key for key in keys if key != "workflowLanes"]

        assert left() == [f"workflow_{scenario.id}"]
        clock = storage.connection.clock
        clock._last = clock() + TOMBSTONE_KEPT + 1_000
        storage.due()
        assert left() == []


class TestWritersAtOneTime:
    def test_threads_and_forked_processes_end_a_block_once(self, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, block(40), task("z"))
        scenario.start()
        queued = list(scenario.do("#.a").queued)
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        # As a prefork pool does: the client was used before.
        children = [context.Process(target=_put_ended, args=(scenario, queued[n:16:4], answers)) for n in range(4)]
        for child in children:
            child.start()
        with ThreadPoolExecutor(4) as pool:
            found = [
                each for each in pool.map(lambda n: _ended(scenario, queued[16 + n :: 4]), range(4)) for each in each
            ]
        for _ in children:
            found += answers.get(timeout=60)
        for child in children:
            child.join(60)
            assert child.exitcode == 0
        assert found == ["#.z"]
        done = scenario.do("#.z")
        assert done.finished == "done"
        assert [event.seq for event in scenario.events()] == list(range(1, scenario.instance.seq + 1))
        assert scenario.instance.seq == 2 + 2 * 42

    def test_two_updates_of_a_definition_are_read_whole(
        self, storage: DynamoStorage, open_again: Callable[[], DynamoStorage]
    ) -> None:
        scenario, other = Scenario(storage, task("a"), data="1"), open_again()
        stop = threading.Event()

        def update() -> None:
            for revision in range(1, 15):
                new = NewInstance(**{**_fields(scenario.new), "data": f"{revision + 1}"})
                storage.update_instance(new, revision=revision)
            stop.set()

        with ThreadPoolExecutor(1) as pool:
            updating = pool.submit(update)
            while not stop.is_set() and not updating.done():
                found = other.get_instance(scenario.id)
                assert found is not None
                assert found.data == f"{found.revision}"
            updating.result()


def _fields(new: NewInstance) -> dict[str, Any]:
    return {name: getattr(new, name) for name in new.__dataclass_fields__}


def _ended(scenario: Scenario, paths: list[str]) -> list[str]:
    """Claim and complete them; what that queued."""
    found: list[str] = []
    for path in paths:
        token = f"{os.getpid()} {threading.get_ident()} {path}"
        assert scenario.claim(path, token, lease=LEASE).state == "granted"
        done = scenario.complete(path, ok(path, path), token)
        assert done.recorded
        found += done.queued
    return found


def _put_ended(scenario: Scenario, paths: list[str], answers: Any) -> None:
    answers.put(_ended(scenario, paths))
    answers.close()
    answers.join_thread()
    os._exit(0)
