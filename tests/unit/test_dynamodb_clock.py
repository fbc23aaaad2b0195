"""A clock that is corrected by the ``Date`` headers of responses: never back, never more than they prove."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.storages.dynamodb.clock import PERIOD, RESOLUTION, STALE, SkewedClock, meet, nearest_to_zero

START = 1_800_000_000_000
HOUR = 3_600_000


@dataclass
class World:
    """A host and a server: milliseconds that passed, and by how much the server's clock is ahead of the host's."""

    offset: int = 0
    passed: int = 0
    #: By how much the host's clock was set.
    stepped: int = 0
    clock: SkewedClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = SkewedClock(wall=lambda: self.host, monotonic=lambda: self.passed)

    @property
    def host(self) -> int:
        return START + self.passed + self.stepped

    @property
    def server(self) -> int:
        return START + self.passed + self.offset

    @property
    def error(self) -> int:
        """By how much the corrected clock is behind the server's."""
        return self.server - self.host - self.clock.correction

    def request(self, there: int = 0, back: int = 0, stale: int = 0) -> None:
        """Ask, with these milliseconds on the way; the header is ``stale`` milliseconds old when it is sent."""
        sent = self.clock.local()
        self.passed += there
        date = (self.server - stale) // 1000 * 1000
        self.passed += back
        self.clock.observe(date, sent=sent, received=self.clock.local())


#: Milliseconds before a request, there, back, and the age of the header.
requests = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3000), st.integers(0, 4 * PERIOD)),
        st.integers(0, 2000),
        st.integers(0, 2000),
        st.integers(0, STALE),
    ),
    max_size=30,
)
offsets = st.one_of(st.integers(-3000, 3000), st.integers(-HOUR, HOUR))


class TestCorrection:
    @given(offset=offsets, requests=requests)
    def test_is_at_most_what_is_wrong(self, offset: int, requests: list[tuple[int, int, int, int]]) -> None:
        world = World(offset)
        for pause, there, back, stale in requests:
            world.passed += pause
            world.request(there, back, stale)
            assert min(offset, 0) <= world.clock.correction <= max(offset, 0)

    @given(requests=requests)
    def test_none_for_a_clock_that_is_right(self, requests: list[tuple[int, int, int, int]]) -> None:
        world = World()
        for pause, *way in requests:
            world.passed += pause
            world.request(*way)
            assert world.clock() == world.host

    @given(offset=offsets, requests=requests, steps=st.lists(offsets, max_size=30))
    def test_no_response_leaves_more_wrong_than_it_can_tell(
        self, offset: int, requests: list[tuple[int, int, int, int]], steps: list[int]
    ) -> None:
        world = World(offset)
        steps += [0] * len(requests)
        for (pause, there, back, stale), step in zip(requests, steps, strict=False):
            world.passed += pause
            world.stepped += step
            world.request(there, back, stale)
            assert abs(world.error) <= RESOLUTION + STALE + there + back

    def test_of_a_host_that_is_minutes_off(self) -> None:
        for offset in (-300_000, 300_000):
            world = World(offset)
            assert world.clock.correction == 0
            for _ in range(50):
                world.passed += 137
                world.request(2, 2)
            assert abs(world.error) <= STALE + 150

    def test_what_was_observed_is_forgotten(self) -> None:
        world = World(-300_000)
        world.request()
        # The host's clock is set right, by less than makes two observations contradict each other at once.
        for _ in range(400):
            world.stepped -= 750
            world.passed += 1000
            world.request()
        world.passed += 2 * PERIOD
        world.request()
        assert (world.server - world.host, world.clock.correction) == (0, 0)

    def test_a_narrow_interval_is_not_lost_when_a_period_ends(self) -> None:
        world = World(-300_000)
        for _ in range(5 * PERIOD // 1737):
            world.passed += 1737
            world.request(1, 1)
            if world.passed > 60_000:
                assert abs(world.error) <= STALE + 150

    def test_a_host_whose_clock_was_set_back_while_it_waited_learns_nothing(self) -> None:
        clock = World().clock
        clock.observe(START, sent=START + 10_000_000, received=START)
        assert clock.correction == 0


class TestTime:
    @given(
        events=st.lists(
            st.one_of(
                st.tuples(st.just("pass"), st.integers(0, 500_000)),
                st.tuples(st.just("step"), st.integers(-HOUR, HOUR)),
                st.tuples(st.just("jump"), st.integers(-HOUR, HOUR)),
                st.tuples(st.just("ask"), st.integers(0, 5000)),
            )
        )
    )
    def test_never_goes_back(self, events: list[tuple[str, int]]) -> None:
        world = World()
        last = world.clock()
        for kind, amount in events:
            if kind == "pass":
                world.passed += amount
            elif kind == "step":
                world.stepped += amount
            elif kind == "jump":
                world.offset += amount
            else:
                world.request(amount // 2, amount - amount // 2)
            now = world.clock()
            assert now >= last
            last = now

    def test_starts_with_that_of_the_host(self) -> None:
        assert World(HOUR).clock() == START

    def test_a_child_of_a_fork_waits_for_no_thread_of_its_parent(self) -> None:
        world = World()
        locked = world.clock._lock
        locked.acquire()
        world.clock.after_fork()
        told: list[int] = []
        reader = threading.Thread(target=lambda: told.append(world.clock()), daemon=True)
        reader.start()
        reader.join(5)
        assert told == [START]


intervals = st.tuples(st.integers(-100, 100), st.integers(0, 100)).map(lambda pair: (pair[0], sum(pair)))


class TestIntervals:
    @given(one=intervals, other=intervals, number=st.integers(-100, 200))
    def test_what_both_allow(self, one: tuple[int, int], other: tuple[int, int], number: int) -> None:
        both = one[0] <= number <= one[1] and other[0] <= number <= other[1]
        found = meet(one, other)
        assert both == (found is not None and found[0] <= number <= found[1])

    @given(interval=intervals)
    def test_nearest_to_zero(self, interval: tuple[int, int]) -> None:
        assert nearest_to_zero(interval) == min(range(interval[0], interval[1] + 1), key=abs)
