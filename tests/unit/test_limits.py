"""How much a client may ask for: token buckets on a clock of the test's."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow_django.live import limits
from jobs_flow_django.live.errors import TooManyRequests
from jobs_flow_django.live.limits import Allowance, TokenBucket, allowance_of, starts_something
from jobs_flow_django.live.requests import Cancel, Create, ExecuteAll, ExecuteTask, Pause, Request, Resume, Watch
from jobs_flow_django.live.schedule import Schedule


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


steps = st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=200)


class TestTokenBucket:
    @given(capacity=st.integers(1, 50), rate=st.floats(0.01, 100), steps=steps)
    def test_never_gives_more_than_its_capacity_and_what_came_since(
        self, capacity: int, rate: float, steps: list[tuple[float, bool]]
    ) -> None:
        clock = Clock()
        bucket = TokenBucket(capacity, rate, clock)
        taken: list[float] = []
        for pause, _ in steps:
            clock.now += pause
            if bucket.take() == 0:
                taken.append(clock.now)
        for first, began in enumerate(taken):
            for last in range(first, len(taken)):
                assert last - first + 1 <= capacity + (taken[last] - began) * rate + 1e-6

    @given(capacity=st.integers(1, 5), rate=st.floats(0.01, 100), steps=steps)
    def test_says_when_there_will_be_one(self, capacity: int, rate: float, steps: list[tuple[float, bool]]) -> None:
        clock = Clock()
        bucket = TokenBucket(capacity, rate, clock)
        for pause, patient in steps:
            clock.now += pause
            wait = bucket.take()
            assert 0 <= wait <= 1 / rate + 1e-6
            if wait and patient:
                clock.now += wait * (1 + 1e-9) + 1e-9
                assert bucket.take() == 0

    @given(capacity=st.integers(1, 20), rate=st.floats(0.1, 100), count=st.integers(1, 100))
    def test_a_borrower_who_waits_is_as_slow_as_the_rate(self, capacity: int, rate: float, count: int) -> None:
        clock = Clock()
        bucket = TokenBucket(capacity, rate, clock)
        for _ in range(count):
            clock.now += bucket.borrow()
        assert clock.now - 100 == pytest.approx(max(0, count - capacity) / rate, abs=1e-6)

    def test_a_clock_that_goes_back_changes_nothing(self) -> None:
        clock = Clock()
        bucket = TokenBucket(1, 1, clock)
        assert bucket.take() == 0
        clock.now -= 50
        assert bucket.take() == 1
        clock.now += 1
        assert bucket.take() == 0

    def test_does_not_fill_beyond_its_capacity(self) -> None:
        clock = Clock()
        bucket = TokenBucket(2, 1, clock)
        clock.now += 1_000
        assert [bucket.take() == 0 for _ in range(3)] == [True, True, False]


class TestAllowance:
    def make(self, settings: Any, **given: int) -> tuple[Allowance, Clock]:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", **given}
        clock = Clock()
        return Allowance(clock), clock

    def test_starts_are_counted_by_the_minute(self, settings: Any) -> None:
        allowance, clock = self.make(settings, SOCKET_STARTS_PER_MINUTE=6)
        for _ in range(6):
            allowance.take_start(ExecuteAll("x"))
        with pytest.raises(TooManyRequests) as refused:
            allowance.take_start(ExecuteAll("x"))
        assert refused.value.retry_after == 10
        assert refused.value.message == "That was too much in a short time; try again in 10 s."
        clock.now += 10
        allowance.take_start(Create("w"))

    @pytest.mark.parametrize(
        ("request_", "starts"),
        [
            (Create("w"), True),
            (ExecuteAll("x"), True),
            (ExecuteTask("x", "#.a"), True),
            (Resume("x"), True),
            (Resume("x", preview=True), False),
            (Watch("x"), False),
            (Cancel("x"), False),
            (Pause("x"), False),
        ],
    )
    def test_what_counts_as_a_start(self, settings: Any, request_: Request, starts: bool) -> None:
        assert starts_something(request_) is starts
        allowance, _ = self.make(settings, SOCKET_STARTS_PER_MINUTE=1)
        allowance.take_start(request_)
        if starts:
            with pytest.raises(TooManyRequests):
                allowance.take_start(request_)
        else:
            allowance.take_start(request_)

    def test_a_page_may_watch_all_that_it_may_at_once(self, settings: Any) -> None:
        allowance, clock = self.make(settings, SOCKET_WATCHES=30, SOCKET_REQUESTS_PER_SECOND=5)
        for _ in range(40):
            allowance.take_request()
        with pytest.raises(TooManyRequests) as refused:
            allowance.take_request()
        assert refused.value.retry_after == 1
        clock.now += 0.2
        allowance.take_request()

    async def test_a_socket_that_asks_too_fast_waits(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        allowance, clock = self.make(settings, SOCKET_WATCHES=1, SOCKET_REQUESTS_PER_SECOND=2)

        async def sleep(seconds: float) -> None:
            clock.now += seconds

        monkeypatch.setattr(limits.asyncio, "sleep", sleep)
        for _ in range(25):
            await allowance.pace()
        assert clock.now == pytest.approx(100 + (25 - 5) / 2)


class TestCallers:
    class User:
        is_authenticated = True

        def __init__(self, pk: int) -> None:
            self.pk = pk

    class Session:
        def __init__(self, key: str | None) -> None:
            self.session_key = key

    @pytest.fixture(autouse=True)
    def _forget(self) -> None:
        limits.forget_callers()

    def test_a_user_has_one_allowance_however_often_they_signed_in(self) -> None:
        here = {"user": self.User(1), "session": self.Session("a")}
        there = {"user": self.User(1), "session": self.Session("b")}
        assert allowance_of(here) is allowance_of(there)
        assert allowance_of({"user": self.User(2)}) is not allowance_of(here)

    def test_without_a_user_it_is_the_session_and_without_that_the_instance(self) -> None:
        assert allowance_of({"session": self.Session("a")}) is allowance_of({"session": self.Session("a")}, "x")
        assert allowance_of({"session": self.Session(None)}, "x") is allowance_of({}, "x")
        assert allowance_of({}, "x") is not allowance_of({}, "y")

    def test_those_that_are_silent_longest_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "CALLERS", 2)
        first, second = allowance_of({}, "1"), allowance_of({}, "2")
        assert allowance_of({}, "1") is first
        allowance_of({}, "3")
        assert allowance_of({}, "1") is first
        assert allowance_of({}, "2") is not second


class TestSchedule:
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("put"), st.integers(0, 9), st.floats(0, 100)),
                st.tuples(st.just("drop"), st.integers(0, 9), st.just(0.0)),
                st.tuples(st.just("take"), st.just(0), st.floats(0, 100)),
            ),
            max_size=300,
        )
    )
    def test_gives_each_once_at_the_earliest_of_its_times(self, steps: list[tuple[str, int, float]]) -> None:
        schedule: Schedule[int] = Schedule()
        model: dict[int, float] = {}
        for step, thing, time in steps:
            match step:
                case "put":
                    schedule.put(thing, time)
                    model[thing] = min(time, model.get(thing, math.inf))
                case "drop":
                    schedule.drop(thing)
                    model.pop(thing, None)
                case "take":
                    due = {each for each, at in model.items() if at <= time}
                    taken = schedule.take(time)
                    assert len(taken) == len(due)
                    assert set(taken) == due
                    assert [model[each] for each in taken] == sorted(model[each] for each in taken)
                    for each in due:
                        del model[each]
            assert len(schedule) == len(model)

    def test_forgets_what_was_dropped(self) -> None:
        schedule: Schedule[int] = Schedule()
        for number in range(10_000):
            schedule.put(number, number)
            schedule.drop(number)
        assert len(schedule._heap) < 200
