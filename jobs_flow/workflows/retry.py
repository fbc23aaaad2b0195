"""When a failed task is tried again, and how long that waits: arithmetic, no clock and no dice (feature S57)."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

#: One or more exception classes, or names: of a class (``"ValueError"``, ``"app.errors.Busy"``) or an error
#: code (``"TIMEOUT"``).
Kinds = type[BaseException] | str | Sequence[type[BaseException] | str]

#: Error codes of tasks that are never tried again: somebody decided that they end, or nothing was tried.
NEVER = frozenset({"CANCELLED", "POISONED", "QUEUE_TIMEOUT"})
#: Error codes that a task dies of without an exception; ``TimeoutError`` in ``on`` or ``never_on`` means these too.
TIMEOUTS = frozenset({"TIMEOUT", "TIME_LIMIT"})
#: Longest delay and time-out, in seconds: ten years, which every storage's timers can hold.
MAX_SECONDS = 315_360_000.0
#: Most retries that can be asked for.
MAX_RETRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, when and for what a failed task is tried again: ``Task(..., retry=Retry(max=3, backoff=2))``.

    Retry 1 waits for ``backoff`` seconds, each further one for twice as long, at most ``limit``; the
    delay is then varied by up to ``jitter`` of itself either way. ``never_on`` wins over ``on``. Time
    limits count as exceptions, a cancelled or poisoned task is never tried again.

    Nothing is checked here: a wrong value is a ``DefinitionError`` that names the task, when it is declared.
    """

    #: How often a task is tried again in one run; 0: never.
    max: int = 3
    #: Seconds before the first retry.
    backoff: float = 1.0
    #: Share of a delay, 0 to 1, by which it varies.
    jitter: float = 0.1
    #: What is tried again: exceptions (their subclasses included), names, error codes.
    on: Kinds = (Exception,)
    #: What is not, whatever ``on`` says.
    never_on: Kinds = ()
    #: Longest delay in seconds, before it is varied.
    limit: float = 600.0

    def __post_init__(self) -> None:
        for name in ("on", "never_on"):
            object.__setattr__(self, name, _listed(getattr(self, name)))

    @classmethod
    def parse(cls, form: Any) -> Retry:
        """A checked ``Retry`` from one, from a number of retries, or from the dict form.

        Raises ``ValueError`` with the reason.
        """
        if isinstance(form, Retry):
            retry = form
        elif isinstance(form, int) and not isinstance(form, bool):
            retry = cls(max=form)
        elif isinstance(form, Mapping):
            retry = cls(**_values(form))
        else:
            raise ValueError(f"retry is a Retry, a number of retries or a dict, not {type(form).__name__}")
        if reason := _problem(retry):
            raise ValueError(f"retry: {reason}")
        return retry

    def delay(self, n: int, chance: float) -> float:
        """Seconds before retry ``n`` (1 is the first), varied by ``chance`` from 0.0 (shortest) to 1.0 (longest)."""
        if n < 1:
            raise ValueError(f"retries are counted from 1, not {n}")
        try:
            delay = min(self.limit, math.ldexp(self.backoff, n - 1))
        except OverflowError:
            delay = self.limit
        return delay * (1 + self.jitter * (2 * chance - 1))

    def applies(self, error: BaseException, retries: int) -> bool:
        """Whether a task that raised ``error`` is tried again, after ``retries`` retries in this run."""
        code = getattr(error, "code", None)
        names = {name for kind in type(error).__mro__ for name in _names(kind)}
        names |= {code} if isinstance(code, str) else set()
        if names & NEVER:
            return False
        return self._decide(retries, lambda kind: kind in names if isinstance(kind, str) else isinstance(error, kind))

    def applies_to(self, code: str, kind: str, retries: int) -> bool:
        """The same for an end of which only names are left.

        ``code`` is the recorded error code (``TIMEOUT``), ``kind`` the name of an exception class or ``""``.
        Of a class outside the builtins only the name is known, so it is matched by that name, not by
        its bases; ``Exception`` matches it.
        """
        if code in NEVER:
            return False
        known = getattr(builtins, kind, None)
        known = known if isinstance(known, type) and issubclass(known, BaseException) else None
        names = {code, kind} | ({name for base in known.__mro__ for name in _names(base)} if known else set())

        def matches(wanted: type[BaseException] | str) -> bool:
            if isinstance(wanted, str):
                # "app.errors.Busy" is meant also where only "Busy" was recorded, and the other way round.
                return wanted in names or (bool(kind) and _same(wanted, kind))
            if code in TIMEOUTS and wanted is TimeoutError:
                return True
            if known is not None:
                return issubclass(known, wanted)
            return wanted in (Exception, BaseException) or any(_same(name, kind) for name in _names(wanted))

        return self._decide(retries, matches)

    def _decide(self, retries: int, matches: Callable[[type[BaseException] | str], bool]) -> bool:
        if retries >= self.max or any(map(matches, _listed(self.never_on))):
            return False
        return any(map(matches, _listed(self.on)))


_FIELDS = {f.name for f in fields(Retry)}


def check_seconds(value: Any, *, least: float = 0.001) -> str | None:
    """Why ``value`` is no number of seconds from ``least`` to MAX_SECONDS, or None when it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is a number of seconds, not {type(value).__name__}"
    if not least <= value <= MAX_SECONDS:
        return f"is a number of seconds from {least:g} to {MAX_SECONDS:.0f}, not {value}"
    return None


def _values(form: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in form.items():
        name = "never_on" if key == "neverOn" else key
        if name not in _FIELDS:
            raise ValueError(f"retry: unknown field {key!r}; a retry has {', '.join(sorted(_FIELDS))}")
        if name in values:
            raise ValueError(f"retry: {key!r} repeats the field {name!r}")
        values[name] = value
    return values


def _problem(retry: Retry) -> str | None:
    most: Any = retry.max
    if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most <= MAX_RETRIES:
        return f"max is a whole number from 0 to {MAX_RETRIES}, not {most!r}"
    for name in ("backoff", "limit"):
        if reason := check_seconds(getattr(retry, name), least=0):
            return f"{name} {reason}"
    jitter: Any = retry.jitter
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        return f"jitter is a share from 0 to 1, not {jitter!r}"
    for name in ("on", "never_on"):
        kinds: Any = getattr(retry, name)
        if not isinstance(kinds, tuple):
            return f"{name} is exception classes or their names, not {type(kinds).__name__}"
        for kind in kinds:
            if not (isinstance(kind, str) and kind) and not (
                isinstance(kind, type) and issubclass(kind, BaseException)
            ):
                return f"{name} is exception classes or their names, which {kind!r} is not"
    return None


def _listed(kinds: Any) -> Any:
    """A tuple of what may be given alone; what is neither stays for the check to name."""
    if isinstance(kinds, str | type):
        return (kinds,)
    return tuple(kinds) if isinstance(kinds, list | tuple | set | frozenset) else kinds


def _names(kind: type) -> tuple[str, str, str]:
    return kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}"


def _same(wanted: str, kind: str) -> bool:
    """Whether two names are one class's, where one of them may lack the module."""
    return wanted == kind or wanted.endswith(f".{kind}") or kind.endswith(f".{wanted}")
