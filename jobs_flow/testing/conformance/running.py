"""Progress and log lines of a running task: kept in order, and written by its holder only."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import LOG_LINES_KEPT, Grip
from jobs_flow.testing.scenario import Scenario, failed, ok, task


class Held:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """A task that runs under ``token``, one that is queued never, one that is ok."""
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.b")
        return scenario


NOT_HELD = [
    pytest.param("#.b", 1, "other", id="another token"),
    pytest.param("#.b", 0, "token", id="an older run"),
    pytest.param("#.b", 2, "token", id="a later run"),
    pytest.param("#.a", 1, "token", id="ended"),
    pytest.param("#.c", 1, "token", id="not running"),
    pytest.param("#.nobody", 1, "token", id="unknown path"),
]


class TestProgress(Held):
    def test_each_part_by_itself(self, storage: Storage, scenario: Scenario) -> None:
        def progress(value: float | None, text: str | None) -> tuple[float | None, str | None]:
            said = storage.set_progress(scenario.id, "#.b", 1, token="token", value=value, text=text)
            assert said is Grip.HELD
            view = scenario.snapshot.tasks["#.b"]
            return view["progress"], view["progressText"]

        assert progress(0.25, None) == (0.25, None)
        assert progress(None, "reading") == (0.25, "reading")
        assert progress(0.1234567890123456, '½ "done"') == (0.1234567890123456, '½ "done"')
        assert progress(0.0, "") == (0.0, "")

    @pytest.mark.parametrize(("path", "run", "token"), NOT_HELD)
    def test_not_held(self, storage: Storage, scenario: Scenario, path: str, run: int, token: str) -> None:
        before = scenario.snapshot
        assert storage.set_progress(scenario.id, path, run, token=token, value=0.5, text="late") is Grip.LOST
        assert scenario.snapshot == before


class TestLogs(Held):
    def lines(self, storage: Storage, scenario: Scenario, *lines: str) -> Grip:
        return storage.append_logs(scenario.id, "#.b", 1, token="token", lines=lines)

    def test_in_order(self, storage: Storage, scenario: Scenario) -> None:
        assert self.lines(storage, scenario, "one", "two") is Grip.HELD
        assert self.lines(storage, scenario, "", "  three\n", "été ☂ 🌧", "\x00")
        scenario.complete("#.b", ok("#.b", logs=["last"]))
        lines = ["one", "two", "", "  three\n", "été ☂ 🌧", "\x00", "last"]
        assert storage.get_logs(scenario.id, ["#.b"]) == {"#.b": lines}
        assert scenario.snapshot.tasks["#.b"]["logCount"] == 7
        assert [
            line for event in scenario.events() for line in event.data.get("logs", {}).get("#.b", {}).get("lines", [])
        ] == lines

    def test_several_paths_and_the_last_so_many(self, storage: Storage, scenario: Scenario) -> None:
        self.lines(storage, scenario, *"123")
        scenario.complete("#.b", ok("#.b", logs=["4"]))
        scenario.do("#.c", failed(logs=["5"]))
        assert storage.get_logs(scenario.id, ["#.c", "#.a", "#.b"]) == {"#.c": ["5"], "#.a": [], "#.b": [*"1234"]}
        assert storage.get_logs(scenario.id, ["#.b", "#.c"], last=2) == {"#.b": ["3", "4"], "#.c": ["5"]}
        assert storage.get_logs(scenario.id, ["#.b"], last=9) == {"#.b": [*"1234"]}
        assert storage.get_logs(scenario.id, ["#.b"], last=0) == {"#.b": []}
        assert storage.get_logs(scenario.id, []) == {}

    def test_the_oldest_go_first_and_the_count_goes_on(self, storage: Storage, scenario: Scenario) -> None:
        numbers = [str(number) for number in range(LOG_LINES_KEPT + 2_000)]
        for first in range(0, len(numbers), 3_000):
            self.lines(storage, scenario, *numbers[first : first + 3_000])
        assert storage.get_logs(scenario.id, ["#.b"])["#.b"] == numbers[2_000:]
        assert scenario.snapshot.tasks["#.b"]["logCount"] == len(numbers)
        self.lines(storage, scenario, "next")
        assert scenario.last_event()["logs"] == {"#.b": {"from": len(numbers), "lines": ["next"]}}
        assert storage.get_logs(scenario.id, ["#.b"], last=2)["#.b"] == [numbers[-1], "next"]

    @pytest.mark.parametrize(("path", "run", "token"), NOT_HELD)
    def test_not_held(self, storage: Storage, scenario: Scenario, path: str, run: int, token: str) -> None:
        before = scenario.snapshot
        assert storage.append_logs(scenario.id, path, run, token=token, lines=["late"]) is Grip.LOST
        assert scenario.snapshot == before
        assert storage.get_logs(scenario.id, [path]) == {path: []}

    def test_the_holder_of_the_run_before(self, storage: Storage, scenario: Scenario) -> None:
        scenario.complete("#.b", failed())
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.b", "new holder")
        assert storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["late"]) is Grip.LOST
        assert storage.append_logs(scenario.id, "#.b", 2, token="token", lines=["late"]) is Grip.LOST
        assert storage.get_logs(scenario.id, ["#.b"]) == {"#.b": []}
