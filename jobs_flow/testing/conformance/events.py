"""The stream of an instance: what each transition says in it, and that nothing is missing."""

from __future__ import annotations

import threading
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import EVENTS_KEPT, VIEW_BODY_LIMIT, Event, Outcome, RunSelection
from jobs_flow.testing.scenario import ERROR, TIME, Scenario, cancelled, failed, merge, ok, plain, skipped, task
from jobs_flow.workflows.definition import Task


class TestEventContents:
    """The watcher's side of every transition; resets and claims are with their own tests."""

    def started(self, storage: Storage, *tasks: Task) -> Scenario:
        scenario = Scenario(storage, *tasks)
        scenario.start()
        return scenario

    def test_ok_that_queues_the_next(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"), task("b"))
        scenario.do("#.a", ok("#.a", {"n": [1]}))
        assert scenario.last_event() == {
            "run": 1,
            "tasks": {
                "#.a": {
                    "status": "ok",
                    "finishedAt": TIME,
                    "duration": TIME,
                    "body": {"n": [1]},
                    "bodySize": 10,
                    "progress": 1.0,
                },
                "#.b": {"status": "queued", "queuedAt": TIME},
            },
        }

    def test_ok_that_ends_the_run(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"))
        scenario.do("#.a", Outcome("ok"))
        assert scenario.last_event() == {
            "run": 1,
            "tasks": {"#.a": {"status": "ok", "finishedAt": TIME, "duration": TIME, "progress": 1.0}},
            "instance": {"status": "done", "finishedAt": TIME, "error": None},
        }

    def test_failure(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"), task("b"))
        scenario.do("#.a", failed(traceback="secret"))
        assert scenario.last_event() == {
            "run": 1,
            "tasks": {"#.a": {"status": "failed", "finishedAt": TIME, "duration": TIME, "error": ERROR}},
            "instance": {"status": "failed", "finishedAt": TIME, "error": {**ERROR, "path": "#.a"}},
        }

    def test_a_report_on_a_queued_task_has_no_duration(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"))
        outcome = cancelled()
        scenario.complete("#.a", outcome, token=None)
        change = scenario.last_event()["tasks"]["#.a"]
        assert change == {"status": "cancelled", "finishedAt": TIME, "duration": None, "error": outcome.error}

    def test_skipped_with_its_subtree(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a", task("b", task("c"))), task("d"))
        scenario.do("#.a", skipped())
        assert scenario.last_event() == {
            "run": 1,
            "tasks": {
                "#.a": {"status": "skipped", "finishedAt": TIME, "duration": TIME},
                "#.a.b": {"status": "skipped"},
                "#.a.b.c": {"status": "skipped"},
                "#.d": {"status": "queued", "queuedAt": TIME},
            },
        }

    def test_log_lines_of_an_outcome(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"))
        scenario.claim("#.a")
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["one", "two"])
        scenario.complete("#.a", ok("#.a", logs=["three"]))
        event = scenario.last_event()
        assert event["logs"] == {"#.a": {"from": 2, "lines": ["three"]}}
        assert event["tasks"]["#.a"]["logCount"] == 3

    def test_log_lines(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"))
        scenario.claim("#.a")
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["one"])
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["two", "three"])
        assert scenario.last_event() == {
            "run": 1,
            "tasks": {"#.a": {"logCount": 3}},
            "logs": {"#.a": {"from": 1, "lines": ["two", "three"]}},
        }

    @pytest.mark.parametrize(
        ("value", "text", "change"),
        [
            pytest.param(0.25, None, {"progress": 0.25}, id="value"),
            pytest.param(None, "half", {"progressText": "half"}, id="text"),
            pytest.param(0.0, "", {"progress": 0.0, "progressText": ""}, id="both, falsy"),
        ],
    )
    def test_progress(self, storage: Storage, value: float | None, text: str | None, change: dict[str, object]) -> None:
        scenario = self.started(storage, task("a"))
        scenario.claim("#.a")
        storage.set_progress(scenario.id, "#.a", 1, token="token", value=value, text=text)
        assert scenario.last_event() == {"run": 1, "tasks": {"#.a": change}}

    def test_added(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        data = {"error": {"type": "SCHEDULER_ERROR", "payload": {"message": "é\n", "list": [], "none": None}}}
        before = scenario.snapshot
        assert storage.add_event(scenario.id, data) == 2
        assert scenario.events(1) == [Event(2, data)]
        assert scenario.snapshot.tasks == before.tasks

    def test_body_over_the_limit_is_left_out(self, storage: Storage) -> None:
        scenario = self.started(storage, task("a"), task("b"))
        scenario.do("#.a", ok("#.a", "x" * (VIEW_BODY_LIMIT - 2)))
        assert scenario.last_event()["tasks"]["#.a"]["body"] == "x" * (VIEW_BODY_LIMIT - 2)
        scenario.do("#.b", ok("#.b", "x" * (VIEW_BODY_LIMIT - 1)))
        change = scenario.last_event()["tasks"]["#.b"]
        assert "body" not in change
        assert change["bodySize"] == VIEW_BODY_LIMIT + 1


class TestEventStream:
    def test_numbers_without_gap(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        for path in ("#.a", "#.a.b", "#.a.c", "#.d"):
            scenario.do(path)
        events = scenario.events()
        assert [event.seq for event in events] == list(range(1, 11))
        assert scenario.instance.seq == 10

    def test_since(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        for number in range(5):
            storage.add_event(scenario.id, {"error": {"number": number}})
        everything = scenario.events()
        assert [scenario.events(since) for since in range(7)] == [everything[since:] for since in range(7)]
        assert scenario.events(6) == []

    def test_none_when_some_are_no_longer_kept(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        last = EVENTS_KEPT + 150
        for number in range(2, last + 1):
            storage.add_event(scenario.id, {"number": number})
        assert storage.events(scenario.id, 0) is None
        assert storage.wait_events(scenario.id, 0, 5) is None
        assert storage.events(scenario.id, 1) is None
        kept = scenario.events(last - EVENTS_KEPT)
        assert [event.seq for event in kept] == list(range(last - EVENTS_KEPT + 1, last + 1))
        assert [event.data["number"] for event in kept] == [event.seq for event in kept]

        # Before the oldest event that is kept every answer is None, and from it on the list is whole.
        oldest = bisect_left(range(last), True, key=lambda since: storage.events(scenario.id, since) is not None)
        assert storage.events(scenario.id, oldest - 1) is None
        everything = scenario.events(oldest)
        assert [event.seq for event in everything] == list(range(oldest + 1, last + 1))

    def test_a_watcher_who_merges_has_what_a_late_one_reads(self, storage: Storage) -> None:
        scenario = Scenario(
            storage, task("a", task("b", task("x")), task("c"), task("d", on_failure="continue")), task("e")
        )
        scenario.start()
        watched = [scenario.snapshot]
        scenario.do("#.a", ok("#.a", logs=["one"]))
        scenario.claim("#.a.c")
        storage.set_progress(scenario.id, "#.a.c", 1, token="token", value=0.5, text="half")
        storage.append_logs(scenario.id, "#.a.c", 1, token="token", lines=["two"])
        watched.append(scenario.snapshot)
        scenario.do("#.a.b", skipped("#.a"))
        scenario.do("#.a.d", failed(tolerated=True))
        watched.append(scenario.snapshot)
        scenario.complete("#.a.c", ok("#.a.c", {"n": 1}))
        scenario.do("#.e", failed())
        final = scenario.snapshot
        for snapshot in watched:
            assert merge(snapshot.tasks, scenario.events(snapshot.seq)) == final.tasks

    def test_streams_are_apart(self, storage: Storage) -> None:
        one, two = Scenario(storage, task("a")), Scenario(storage, task("a"))
        one.start()
        assert [event.seq for event in two.events()] == [1]
        two.start(RunSelection(["#.a"], ["#.a"], {}))
        assert [event.seq for event in one.events()] == [1, 2]


class TestEventWait:
    def test_events_that_are_there_already(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        assert storage.wait_events(scenario.id, 0, 30) == scenario.events()
        assert storage.wait_events(scenario.id, 1, 30) == scenario.events(1)

    @pytest.mark.parametrize("timeout", [0, 0.05])
    def test_none_came(self, storage: Storage, timeout: float) -> None:
        scenario = Scenario(storage, task("a"))
        assert storage.wait_events(scenario.id, 1, timeout) == []
        assert storage.wait_events("nobody", 0, timeout) == []

    def test_events_of_another_instance_do_not_count(self, storage: Storage) -> None:
        scenario, other = Scenario(storage, task("a")), Scenario(storage, task("a"))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(storage.wait_events, scenario.id, 1, 0.2)
            other.start()
            assert waiting.result(10) == []

    def test_a_follower_in_another_thread_gets_every_one(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        received: list[Event] = []

        def follow() -> None:
            while len(received) < 101:
                events = storage.wait_events(scenario.id, len(received), 10)
                assert events, "nothing came in 10 s"
                received.extend(events)

        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(follow)
            for number in range(100):
                storage.add_event(scenario.id, {"number": number})
            following.result(20)
        assert [event.seq for event in received] == list(range(1, 102))
        assert [event.data.get("number") for event in received[1:]] == list(range(100))

    def test_an_instance_that_is_created_later(self, storage: Storage) -> None:
        ready, later = threading.Event(), storage.new_id()

        def wait() -> list[Event] | None:
            ready.set()
            return storage.wait_events(later, 0, 10)

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(wait)
            ready.wait(10)
            Scenario(storage, task("a"), instance_id=later)
            assert plain(waiting.result(20)) == [{"seq": 1, "data": {"run": 0, "reset": True}}]
