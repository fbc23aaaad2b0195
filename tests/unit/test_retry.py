"""When a failed task is tried again (feature S57)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow import Retry
from jobs_flow.errors import StorageUnavailable
from jobs_flow.workflows.retry import MAX_SECONDS, NEVER


class Busy(Exception):
    """Somebody's own exception."""


class VeryBusy(Busy):
    """A more special one."""


class Stopped(BaseException):
    """Not to be caught by ``except Exception``."""


class Coded(Exception):
    code = "CANCELLED"


seconds = st.floats(0, MAX_SECONDS)
counts = st.integers(1, 100_000)
chances = st.floats(0, 1)


class TestDelay:
    def test_it_doubles_up_to_the_limit(self) -> None:
        retry = Retry(backoff=2, limit=20, jitter=0)
        assert [retry.delay(n, 0.7) for n in range(1, 7)] == [2, 4, 8, 16, 20, 20]

    def test_chance_varies_it_by_the_jitter(self) -> None:
        retry = Retry(backoff=10, jitter=0.2)
        assert [retry.delay(1, chance) for chance in (0, 0.5, 1)] == pytest.approx([8, 10, 12])

    @given(seconds, seconds, st.floats(0, 1), counts, chances)
    def test_it_is_within_the_jitter_of_the_limited_backoff(
        self, backoff: float, limit: float, jitter: float, n: int, chance: float
    ) -> None:
        delay = Retry(backoff=backoff, limit=limit, jitter=jitter).delay(n, chance)
        middle = limit if n > 1100 and backoff > 1e-9 else min(limit, backoff * 2.0 ** min(n - 1, 900))
        assert math.isfinite(delay)
        assert delay >= 0
        if n <= 900 or backoff > 1e-9:
            assert middle * (1 - jitter) * (1 - 1e-9) <= delay <= middle * (1 + jitter) * (1 + 1e-9)

    @given(seconds, seconds, counts)
    def test_without_jitter_a_later_retry_waits_no_less(self, backoff: float, limit: float, n: int) -> None:
        retry = Retry(backoff=backoff, limit=limit, jitter=0)
        assert retry.delay(n, 0) <= retry.delay(n + 1, 0) <= limit

    @given(st.floats(0, 1), chances, chances)
    def test_a_greater_chance_waits_no_less(self, jitter: float, one: float, other: float) -> None:
        retry = Retry(jitter=jitter)
        assert retry.delay(2, min(one, other)) <= retry.delay(2, max(one, other))

    def test_retries_are_counted_from_one(self) -> None:
        with pytest.raises(ValueError, match="counted from 1"):
            Retry().delay(0, 0.5)


class TestExceptions:
    @given(st.integers(0, 20), st.integers(0, 40))
    def test_it_applies_max_times(self, most: int, retries: int) -> None:
        assert Retry(max=most).applies(ValueError(), retries) == (retries < most)
        assert Retry(max=most).applies_to("TIMEOUT", "", retries) == (retries < most)

    @pytest.mark.parametrize(
        ("retry", "error", "expected"),
        [
            pytest.param(Retry(), Busy(), True, id="any exception"),
            pytest.param(Retry(), Stopped(), False, id="what is no Exception"),
            pytest.param(Retry(), SystemExit(), False, id="an exit"),
            pytest.param(Retry(on=SystemExit), SystemExit(), True, id="an exit that is named"),
            pytest.param(Retry(on=Busy), VeryBusy(), True, id="a subclass"),
            pytest.param(Retry(on=VeryBusy), Busy(), False, id="a base class"),
            pytest.param(Retry(on=(ValueError, "Busy")), VeryBusy(), True, id="a base by name"),
            pytest.param(Retry(on=f"{__name__}.Busy"), Busy(), True, id="with its module"),
            pytest.param(Retry(on="other.Busy"), Busy(), False, id="with another module"),
            pytest.param(Retry(never_on=[Busy]), VeryBusy(), False, id="never_on wins"),
            pytest.param(Retry(on="Busy", never_on="VeryBusy"), VeryBusy(), False, id="never_on wins by name"),
            pytest.param(
                Retry(on="STORAGE_UNAVAILABLE"), StorageUnavailable(storage="s", reason="r"), True, id="an error code"
            ),
            pytest.param(Retry(on=BaseException), Coded(), False, id="cancelled"),
            pytest.param(Retry(on=()), Busy(), False, id="nothing"),
        ],
    )
    def test_which(self, retry: Retry, error: BaseException, expected: bool) -> None:
        assert retry.applies(error, 0) is expected


class TestNames:
    @pytest.mark.parametrize(
        ("retry", "code", "kind", "expected"),
        [
            pytest.param(Retry(), "TIMEOUT", "", True, id="a timeout by default"),
            pytest.param(Retry(), "TIME_LIMIT", "TimeLimitExceeded", True, id="a time limit by default"),
            pytest.param(Retry(on=TimeoutError), "TIMEOUT", "", True, id="as TimeoutError"),
            pytest.param(Retry(on=OSError), "TIMEOUT", "", False, id="not as OSError"),
            pytest.param(Retry(on=ValueError), "TIMEOUT", "", False, id="not as ValueError"),
            pytest.param(Retry(on="TIME_LIMIT"), "TIME_LIMIT", "", True, id="by code"),
            pytest.param(Retry(on="TIME_LIMIT"), "TIMEOUT", "", False, id="by another code"),
            pytest.param(Retry(never_on="TIMEOUT"), "TIMEOUT", "", False, id="never_on by code"),
            pytest.param(Retry(never_on=TimeoutError), "TIMEOUT", "", False, id="never_on by class"),
            pytest.param(Retry(), "EXECUTION_FAILED", "SystemExit", False, id="an exit by default"),
            pytest.param(Retry(on=LookupError), "EXECUTION_FAILED", "KeyError", True, id="a builtin's base"),
            pytest.param(Retry(on="LookupError"), "EXECUTION_FAILED", "KeyError", True, id="a builtin's base by name"),
            pytest.param(Retry(on=Busy), "EXECUTION_FAILED", "Busy", True, id="a class by its name"),
            pytest.param(Retry(on="app.Busy"), "EXECUTION_FAILED", "Busy", True, id="whose module was not recorded"),
            pytest.param(Retry(on="Busy"), "EXECUTION_FAILED", "app.Busy", True, id="whose module was not named"),
            pytest.param(Retry(on="Busy"), "EXECUTION_FAILED", "VeryBusy", False, id="a name that ends so"),
            pytest.param(Retry(on=ValueError), "EXECUTION_FAILED", "Busy", False, id="another class"),
            pytest.param(Retry(on="ValueError"), "EXECUTION_FAILED", "", False, id="no class"),
        ],
    )
    def test_which(self, retry: Retry, code: str, kind: str, expected: bool) -> None:
        assert retry.applies_to(code, kind, 0) is expected

    @pytest.mark.parametrize("code", sorted(NEVER))
    def test_some_ends_are_never_tried_again(self, code: str) -> None:
        assert not Retry(on=(BaseException, code)).applies_to(code, "", 0)


class TestForms:
    def test_a_number_and_a_dict(self) -> None:
        assert Retry.parse(5) == Retry(max=5)
        assert Retry.parse({"max": 2, "neverOn": ValueError}) == Retry(max=2, never_on=(ValueError,))
        assert Retry.parse(Retry(on=[Busy])) == Retry(on=(Busy,))

    @pytest.mark.parametrize(
        ("form", "reason"),
        [
            pytest.param(True, "not bool", id="true"),
            pytest.param("3", "not str", id="text"),
            pytest.param(1.5, "not float", id="a fraction"),
            pytest.param(-1, "max is a whole number from 0", id="negative"),
            pytest.param({"times": 3}, "unknown field 'times'", id="unknown field"),
            pytest.param({"never_on": (), "neverOn": ()}, "repeats the field", id="twice"),
            pytest.param(Retry(max=True), "max is a whole number", id="max"),
            pytest.param(Retry(max=2.0), "max is a whole number", id="max as float"),  # type: ignore[arg-type]
            pytest.param(Retry(backoff=-1), "backoff is a number of seconds from 0", id="backoff"),
            pytest.param(Retry(backoff=math.nan), "backoff is", id="nan"),
            pytest.param(Retry(limit=math.inf), "limit is", id="infinite"),
            pytest.param(Retry(backoff="1"), "backoff is a number of seconds, not str", id="a text"),  # type: ignore[arg-type]
            pytest.param(Retry(jitter=1.1), "jitter is a share from 0 to 1", id="jitter"),
            pytest.param(Retry(jitter=math.nan), "jitter is a share", id="nan jitter"),
            pytest.param(Retry(on=3), "on is exception classes", id="on"),  # type: ignore[arg-type]
            pytest.param(Retry(on=(int,)), "which <class 'int'> is not", id="no exception"),  # type: ignore[arg-type]
            pytest.param(Retry(never_on=("",)), "never_on is exception classes", id="no name"),
        ],
    )
    def test_a_wrong_one_says_why(self, form: Any, reason: str) -> None:
        with pytest.raises(ValueError, match="retry") as wrong:
            Retry.parse(form)
        assert reason in str(wrong.value)
