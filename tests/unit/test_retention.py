"""For how long instances are kept: what may be said, where, and what ``prune`` makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow import Jobs, Registry, Task, Workflow, pruning, workflow
from jobs_flow.backends.policy import Policy
from jobs_flow.backends.sync import SyncBackend
from jobs_flow.errors import DefinitionError, InvalidArgument, UnknownWorkflow
from jobs_flow.pruning import Pruned
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import RunSelection
from jobs_flow.workflows.retention import SHORTEST_KEEP, age_milliseconds, keep_milliseconds, keep_seconds
from jobs_flow.workflows.retry import MAX_SECONDS

DAY = 86_400
TASKS = [Task("a", lambda: 1)]


class TestSaying:
    @pytest.mark.parametrize(
        ("said", "seconds", "milliseconds"),
        [
            (None, None, None),
            (60, 60.0, 60_000),
            (90.5, 90.5, 90_500),
            (timedelta(days=30), 30.0 * DAY, 30_000 * DAY),
            (math.inf, math.inf, None),
        ],
    )
    def test_is_seconds_a_timedelta_or_for_ever(self, said: Any, seconds: Any, milliseconds: Any) -> None:
        assert keep_seconds(said) == seconds
        assert keep_milliseconds(keep_seconds(said)) == milliseconds

    @pytest.mark.parametrize(
        "said", [0, -1, 59.9, timedelta(seconds=5), MAX_SECONDS + 1, -math.inf, math.nan, True, False, "30d", [60]]
    )
    def test_is_nothing_else(self, said: Any) -> None:
        with pytest.raises(ValueError, match=r"^keep is "):
            keep_seconds(said)

    @given(st.floats(SHORTEST_KEEP, MAX_SECONDS) | st.integers(60, int(MAX_SECONDS)))
    def test_is_kept_to_the_millisecond(self, seconds: float) -> None:
        milliseconds = keep_milliseconds(keep_seconds(seconds))
        assert milliseconds is not None
        assert abs(milliseconds - 1000 * seconds) <= 0.5

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("30d", 30 * DAY),
            ("12h", 43_200),
            ("45m", 2_700),
            ("90s", 90),
            ("2w", 14 * DAY),
            ("90", 90),
            ("1.5 h", 5_400),
        ],
    )
    def test_an_age_is_text_too(self, text: str, seconds: int) -> None:
        assert age_milliseconds(text) == seconds * 1000 == age_milliseconds(seconds)

    @pytest.mark.parametrize("said", ["", "d", "30 days", "-1d", "1e3", "99999w", -1, math.inf, math.nan, None, True])
    def test_or_an_error(self, said: Any) -> None:
        with pytest.raises(ValueError, match=r"is no duration|^it is "):
            age_milliseconds(said)


class TestDeclaring:
    @pytest.fixture
    def registry(self) -> Registry:
        return Registry()

    def test_of_a_generator_a_list_and_a_workflow(self, registry: Registry) -> None:
        workflow("g", keep=timedelta(days=1), registry=registry)(lambda data: TASKS)
        registry.register("l", TASKS, keep=3600)
        registry.register("w", Workflow("w", TASKS, keep=math.inf))
        registry.register("n", TASKS)
        assert [registry.keep(name) for name in "glwn"] == [DAY, 3600, math.inf, None]

    def test_by_the_facade(self, registry: Registry) -> None:
        jobs = Jobs(backend="sync", registry=registry)
        jobs.register_workflow("l", TASKS, keep=60)
        jobs.register_workflow("d", keep=70)(lambda data: TASKS)
        assert (registry.keep("l"), registry.keep("d")) == (60, 70)

    def test_the_last_registration_wins(self, registry: Registry) -> None:
        registry.register("w", TASKS, keep=60)
        registry.register("w", TASKS)
        assert registry.keep("w") is None

    def test_a_wrong_one_is_an_error_that_names_the_workflow(self, registry: Registry) -> None:
        for wrong in (5, "30d", True):
            with pytest.raises(DefinitionError, match="'w' is not well formed at #: keep is"):
                registry.register("w", TASKS, keep=wrong)  # type: ignore[arg-type]
        with pytest.raises(UnknownWorkflow):
            registry.keep("w")

    def test_a_generator_does_not_say_it(self, registry: Registry) -> None:
        registry.register("w", lambda data: Workflow("w", TASKS, keep=60))
        with pytest.raises(DefinitionError, match="a generator does not say keep"):
            registry.plan("w", None)

    def test_it_is_no_part_of_the_fingerprint(self, registry: Registry) -> None:
        registry.register("w", TASKS)
        before = registry.plan("w", None).fingerprint
        registry.register("w", TASKS, keep=60)
        assert registry.plan("w", None).fingerprint == before


class Backend(SyncBackend):
    """With a default that the test says."""

    policy = Policy()


class World:
    """Instances on a clock that the test holds."""

    def __init__(self) -> None:
        self.now = 1_000_000_000
        self.storage = MemoryStorage(clock=lambda: self.now)
        self.backend = Backend()
        self.jobs = Jobs(storage=self.storage, backend=self.backend, registry=Registry())
        self.jobs.register_workflow("week", TASKS, keep=7 * DAY)
        self.jobs.register_workflow("ever", TASKS, keep=math.inf)
        self.jobs.register_workflow("usual", TASKS)
        self.jobs.register_workflow("fails", [Task("a", lambda: 1 / 0)])
        self.deleted: list[str] = []
        self.jobs.on_delete(lambda id: self.deleted.append(id))

    def run(self, workflow: str = "usual") -> str:
        return self.jobs.create_workflow_instance(workflow, execute=True)

    def passes(self, days: float) -> None:
        self.now += int(days * DAY * 1000)

    def left(self) -> set[str]:
        return set(self.storage.list_ids(limit=100_000))

    def working(self) -> str:
        """An instance whose task waits for a worker."""
        id = self.jobs.create_workflow_instance("usual")
        self.storage.start_run(id, RunSelection(["#.a"], ["#.a"], {}))
        return id


@pytest.fixture
def world() -> World:
    return World()


class TestPrune:
    def test_by_what_each_workflow_says(self, world: World) -> None:
        week, ever, usual = world.run("week"), world.run("ever"), world.run("usual")
        world.passes(6)
        later = world.run("week")
        world.passes(1)
        assert world.jobs.prune() == Pruned({"week": 1})
        assert world.left() == {ever, usual, later}
        assert world.deleted == [week]
        assert world.jobs.prune() == Pruned()

    def test_by_the_default_where_a_workflow_does_not_say(self, world: World) -> None:
        world.backend.policy = Policy(keep=DAY)
        week, ever, _ = world.run("week"), world.run("ever"), world.run("usual")
        world.passes(1)
        assert world.jobs.prune().by_workflow == {"usual": 1}
        assert world.left() == {week, ever}

    def test_what_the_code_does_not_know_any_more_stays(self, world: World) -> None:
        world.backend.policy = Policy(keep=DAY)
        world.jobs.register_workflow("gone", TASKS)
        id = world.run("gone")
        del world.jobs.registry._generators["gone"]
        world.passes(2)
        assert world.jobs.prune() == Pruned()
        with pytest.raises(UnknownWorkflow):
            world.jobs.prune(workflow="gone")
        assert world.jobs.prune(workflow="gone", older_than="1d").destroyed == 1
        assert world.deleted == [id]

    def test_by_age(self, world: World) -> None:
        world.run("ever"), world.run("fails")
        world.passes(29)
        late = world.run("week")
        world.passes(1)
        assert world.jobs.prune(older_than="31d") == Pruned()
        assert world.jobs.prune(older_than=timedelta(days=30)) == Pruned({"ever": 1, "fails": 1})
        assert world.left() == {late}

    def test_by_workflow_and_status(self, world: World) -> None:
        ids = {name: world.run(name) for name in ("ever", "usual", "fails")}
        world.passes(1)
        assert world.jobs.prune(older_than=0, status="cancelled") == Pruned()
        assert world.jobs.prune(older_than=0, status=["failed", "cancelled"]) == Pruned({"fails": 1})
        assert world.jobs.prune(older_than=0, status="done", workflow="usual") == Pruned({"usual": 1})
        assert world.left() == {ids["ever"]}

    def test_never_what_is_in_use(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        working, inactive = world.working(), world.jobs.create_workflow_instance("usual")
        reset, undoing, wanted = world.run(), world.run(), world.working()
        world.jobs.reset(reset)
        assert world.storage.begin_undo(undoing, ["#.a"])
        world.storage.cancel(wanted, "#", undo=True)
        monkeypatch.setattr(world.jobs, "begin_undo", lambda header: 1 / 0)
        world.jobs._end_queued(world.jobs.runtime.header(wanted), world.jobs.registry.plan("usual", None), "#", ["#.a"])
        header = world.jobs.runtime.header(wanted)
        assert (header.status, header.undo) == ("cancelled", "wanted")
        world.passes(1000)
        assert world.jobs.prune(older_than=0, dry_run=True).destroyed == 0
        assert world.jobs.prune(older_than=0) == Pruned({}, in_use=1)
        assert world.left() == {working, inactive, reset, undoing, wanted}

    def test_nor_what_is_started_between_the_look_and_the_deletion(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = world.run()
        requested = world.jobs.index.requested

        def meanwhile(*args: Any) -> str:
            world.storage.start_run(id, RunSelection(["#.a"], ["#.a"], {}))
            return requested(*args)

        monkeypatch.setattr(world.jobs.index, "requested", meanwhile)
        assert world.jobs.prune(older_than=0) == Pruned({}, in_use=1)
        assert world.jobs.get_workflow(id)["status"] == "working"
        assert world.deleted == []

    def test_at_most_so_many_and_a_dry_run(self, world: World) -> None:
        ids = [world.run() for _ in range(5)]
        assert world.jobs.prune(older_than=0, dry_run=True) == Pruned({"usual": 5}, dry_run=True)
        assert world.left() == set(ids)
        assert world.jobs.prune(older_than=0, limit=2, dry_run=True).destroyed == 2
        assert world.jobs.prune(older_than=0, limit=2).destroyed == 2
        assert world.jobs.prune(older_than=0).destroyed == 3

    @pytest.mark.parametrize("stays", [lambda n: False, lambda n: n % 7 == 0, lambda n: n % 7 != 0, lambda n: n > 15])
    def test_many_pages(self, world: World, monkeypatch: pytest.MonkeyPatch, stays: Callable[[int], bool]) -> None:
        monkeypatch.setattr(pruning, "PAGE", 5)
        kept = set()
        for number in range(33):
            world.now += 1
            id = world.run("ever" if stays(number) else "usual")
            kept |= {id} if stays(number) else set()
        assert world.jobs.prune(older_than=0, workflow="usual").destroyed == 33 - len(kept)
        assert world.left() == kept

    def test_goes_on_when_others_remove_where_it_stands(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pruning, "PAGE", 5)
        ids = []
        for _ in range(20):
            world.now += 1
            ids.append(world.run())
        list_ids, looks = world.storage.list_ids, 0

        def meanwhile(*, after: str | None = None, **options: Any) -> list[str]:
            nonlocal looks
            looks += 1
            if looks == 3 and after is not None:
                world.storage.delete_instance(after)
            # As Redis has it: nothing comes after what is not there.
            return list_ids(after=after, **options) if after is None or after in world.left() else []

        with monkeypatch.context() as patch:
            patch.setattr(world.storage, "list_ids", meanwhile)
            patch.setattr(world, "left", lambda: set(list_ids(limit=1000)))
            found = world.jobs.prune(older_than=0, dry_run=True)
        assert found.destroyed == 20, "each once; one of them was counted before another removed it"
        assert world.jobs.prune(older_than=0).destroyed == 19

    @pytest.mark.parametrize(
        ("options", "argument"),
        [
            ({"older_than": "soon"}, "older_than"),
            ({"older_than": -1}, "older_than"),
            ({"status": "working"}, "status"),
            ({"status": ["done", "inactive"]}, "status"),
            ({"status": []}, "status"),
            ({"limit": 0}, "limit"),
            ({"limit": True}, "limit"),
        ],
    )
    def test_a_wrong_argument_removes_nothing(self, world: World, options: dict[str, Any], argument: str) -> None:
        world.run()
        with pytest.raises(InvalidArgument) as caught:
            world.jobs.prune(**{"older_than": 0, **options})
        assert caught.value.argument == argument
        assert world.deleted == []

    async def test_the_asynchronous_twin(self, world: World) -> None:
        world.run()
        assert (await world.jobs.aprune(older_than=0)).destroyed == 1

    def test_what_is_printed(self) -> None:
        assert Pruned({"a": 2, "b": 1}, 3, 4).lines() == [
            "a: 2",
            "b: 1",
            "3 removed",
            "3 stay: they are in use again, or being undone",
            "4 rows without records removed",
        ]
        assert Pruned(dry_run=True).lines() == ["0 would be removed"]
