"""Python annotations as TypeScript, and the declarations of a registry."""

from __future__ import annotations

import enum
import typing
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow import Task
from jobs_flow.errors import UnknownWorkflow
from jobs_flow.workflows.annotations import Interfaces, member, union
from jobs_flow.workflows.registry import Registry
from jobs_flow.workflows.signatures import first_parameter, returned
from jobs_flow.workflows.typescript import declare

if TYPE_CHECKING:
    from nowhere import OnlyForCheckers  # type: ignore[import-not-found]


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Plain(enum.Enum):
    ONE = "one"


class Point(NamedTuple):
    x: int
    label: str | None


class Row(TypedDict):
    day: str
    values: list[float]
    note: NotRequired[str | None]


class Loose(TypedDict, total=False):
    at: int
    sure: typing.Required[bool]


class Node(TypedDict):
    name: str
    children: list[Node]


@dataclass
class Money:
    amount: int
    unit: Colour = Colour.RED


Ident = NewType("Ident", str)


def written(annotation: Any) -> tuple[str, str]:
    """The type, and all that is declared for it."""
    interfaces = Interfaces()
    text, declared = interfaces.finish(interfaces.of(annotation))
    return text, "".join(declared)


class TestTypes:
    @pytest.mark.parametrize(
        ("annotation", "text"),
        [
            (None, "null"),
            (bool, "boolean"),
            (int, "number"),
            (float, "number"),
            (str, "string"),
            (Any, "unknown"),
            (object, "unknown"),
            (list, "unknown[]"),
            (list[int], "number[]"),
            (list[int | None], "(number | null)[]"),
            (Sequence[Sequence[str]], "string[][]"),
            (dict, "{ [key: string]: unknown }"),
            (dict[str, int], "{ [key: string]: number }"),
            (Mapping[str, Any], "{ [key: string]: unknown }"),
            (dict[Literal["a", "b"], int], '{ [key in "a" | "b"]?: number }'),
            (dict[int, str], "unknown"),
            (tuple[int, str], "[number, string]"),
            (tuple[int, ...], "number[]"),
            (tuple[()], "[]"),
            (Optional[int], "number | null"),  # noqa: UP045
            (Union[None, str, int], "string | number | null"),  # noqa: UP007
            (int | float, "number"),
            (int | Any, "unknown"),
            (Literal["a", 1, True, None], '"a" | 1 | true | null'),
            (Literal["a"] | str, "string"),
            (list[Literal["a"]] | str, '"a"[] | string'),
            (dict[Literal["a", 1], int], "unknown"),
            (Literal[True] | bool, "boolean"),
            (Literal['say "a|b"'] | int, '"say \\"a|b\\"" | number'),
            (list[Literal["a|b"]], '"a|b"[]'),
            (Annotated[int, ["unhashable"]], "number"),
            (Ident, "string"),
            (typing.NoReturn, "never"),
            (Colour, '"red" | "blue"'),
            (Literal[Colour.RED], '"red"'),
            (Level, "1"),
            (Plain, "unknown"),
            (Point, "[number, string | null]"),
            (Awaitable[int], "number"),
            # What no record holds.
            (set[int], "unknown"),
            (bytes, "unknown"),
            (datetime, "unknown"),
            (Decimal, "unknown"),
            (Iterator[int], "unknown"),
            (Callable[[], int], "unknown"),
            (typing.TypeVar("T"), "unknown"),
            ("text that was never evaluated", "unknown"),
        ],
    )
    def test_of_what_json_holds(self, annotation: Any, text: str) -> None:
        assert written(annotation) == (text, "")

    def test_of_typed_dicts_and_dataclasses_are_interfaces(self) -> None:
        text, declared = written(tuple[Row, Loose, Money, list[Row]])

        assert text == "[Row, Loose, Money, Row[]]"
        assert declared == (
            "export interface Loose {\n  at?: number;\n  sure: boolean;\n}\n"
            'export interface Money {\n  amount: number;\n  unit: "red" | "blue";\n}\n'
            "export interface Row {\n  day: string;\n  values: number[];\n  note?: string | null;\n}\n"
        )

    def test_may_name_themselves(self) -> None:
        assert written(Node) == ("Node", "export interface Node {\n  name: string;\n  children: Node[];\n}\n")

    def test_of_two_classes_of_one_name_are_told_apart(self) -> None:
        other = TypedDict("Row", {"with space": int, "class": str})  # type: ignore[misc]
        other.__module__ = "shop.stock"
        awkward = TypedDict("string", {"x-y": int})  # type: ignore[misc]

        text, declared = written(tuple[Row, other, awkward])  # type: ignore[valid-type]

        assert text.endswith("Row, ShopStockRow, _string]")
        assert 'export interface ShopStockRow {\n  "with space": number;\n  class: string;\n}\n' in declared

    @given(
        st.lists(st.sampled_from(["string", '"a | b"', "1", "null", "number[]", '("x" | "y")[]', "[1 | 2]", "never"]))
    )
    def test_unions_are_stable(self, parts: list[str]) -> None:
        once = union(parts)

        assert union([once]) == once
        assert union([*parts, *parts]) == once
        assert once.endswith("null") == ("null" in parts)

    @given(st.text(min_size=1))
    def test_any_text_is_the_name_of_a_member(self, name: str) -> None:
        found = member(name)

        assert found == name or (found.isascii() and found.startswith('"'))


class TestFunctions:
    def test_say_what_they_give(self) -> None:
        def plain(res: Any) -> list[Row]: ...

        async def later() -> int: ...

        def steps(res: Any) -> Generator[float, None, str]:
            yield 0.5
            return "x"

        def only_steps() -> Iterator[float]:
            yield 0.5

        @wraps(plain)
        def wrapped(*args: Any) -> None: ...

        class Calls:
            def __call__(self, res: Any) -> bool: ...

            def method(self) -> str: ...

        assert returned(plain) == list[Row]
        assert returned(partial(partial(plain), 1)) == list[Row]
        assert returned(wrapped) == list[Row]
        assert returned(later) is int
        assert returned(steps) is str
        assert returned(Calls()) is bool
        assert returned(Calls().method) is str
        for silent in (only_steps, lambda res: res, None, len, int):
            assert returned(silent) is Any

    def test_may_name_what_is_around_them_and_what_is_nowhere(self) -> None:
        class Local(TypedDict):
            a: int

        def near() -> Local:
            return Local(a=1)

        def broken(data: OnlyForCheckers) -> list[int]: ...

        assert returned(near) is Local
        assert returned(broken) == list[int]
        assert first_parameter(broken) is Any

    def test_of_celery_are_seen_through(self) -> None:
        from celery import Celery

        @Celery(set_as_current=False).task
        def old(res: Any) -> dict[str, int]: ...

        assert returned(old) == dict[str, int]


def load(res: Any) -> list[Row]: ...


def count(res: Any) -> int: ...


class TestDeclarations:
    @pytest.fixture
    def registry(self) -> Registry:
        registry = Registry()
        registry.register("plain", [Task("load", load, subtasks=[Task("count", count)]), Task("none", lambda: 1)])

        def picky(data: Row) -> list[Task]:
            return [Task(name, count) for name in data["day"].split()]

        registry.register("picky", picky)
        registry.register("shown", picky, example={"day": "b a"})
        return registry

    def test_have_data_paths_and_bodies(self, registry: Registry) -> None:
        found = declare(registry, ["shown", "plain"])

        assert found.problems == {}
        assert found.text == (
            "// Written by `manage.py jobs_flow_types`; do not edit.\n"
            'import "@jobs-flow/client";\n\n'
            "export interface Row {\n  day: string;\n  values: number[];\n  note?: string | null;\n}\n\n"
            'declare module "@jobs-flow/client" {\n  interface Workflows {\n'
            "    plain: {\n      data: unknown;\n"
            '      paths:\n        | "#.load"\n        | "#.load.count"\n        | "#.none";\n'
            '      bodies: {\n        "#.load": Row[];\n        "#.load.count": number;\n'
            '        "#.none": unknown;\n      };\n'
            "    };\n"
            "    shown: {\n      data: Row;\n"
            '      paths:\n        | "#.a"\n        | "#.b";\n'
            '      bodies: {\n        "#.a": number;\n        "#.b": number;\n      };\n'
            "    };\n"
            "  }\n}\n"
        )

    def test_name_the_workflow_that_cannot_be_described_and_have_the_others(self, registry: Registry) -> None:
        found = declare(registry)

        assert list(found.problems) == ["picky"]
        assert "'picky'" in found.problems["picky"].message
        assert "KeyError" in found.problems["picky"].message
        assert "    picky: {\n      data: Row;\n      paths: string;\n" in found.text
        assert "    plain: {" in found.text

    def test_take_the_paths_of_all_data(self, registry: Registry) -> None:
        found = declare(registry, ["picky"], {"picky": [{"day": "x"}, {"day": "y x"}]})

        assert found.problems == {}
        assert 'paths:\n        | "#.x"\n        | "#.y";' in found.text

    def test_refuse_a_name_that_nobody_registered(self, registry: Registry) -> None:
        with pytest.raises(UnknownWorkflow):
            declare(registry, ["nobody"])

    def test_an_example_is_a_copy_and_goes_with_its_registration(self, registry: Registry) -> None:
        registry.examples("shown")[0]["day"] = "changed"
        assert registry.examples("shown") == [{"day": "b a"}]

        registry.register("shown", [Task("load", load)])
        assert registry.examples("shown") == []
        registry.register("shown", [Task("load", load)], example=None)
        assert registry.examples("shown") == [None]
