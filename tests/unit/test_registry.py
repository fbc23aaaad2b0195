"""Registering and finding workflows (features S1 to S4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jobs_flow.errors import DefinitionError, UnknownWorkflow
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.registry import Registry, workflow


def work(res: Any) -> Any:
    return res


class TestRegistering:
    def test_the_last_registration_wins(self) -> None:
        registry = Registry()
        registry.register("w", lambda data: [Task("a", work)])
        registry.register("w", lambda data: [Task("b", work)])
        assert list(registry.plan("w", None).nodes) == ["#.b"]

    def test_a_generator_gets_the_data_and_may_not_change_it(self) -> None:
        registry, data = Registry(), {"names": ["a", "b"]}

        @workflow("w", registry=registry)
        def generate(data: Any) -> Any:
            return [Task(data["names"].pop(), work)]

        assert list(registry.plan("w", data).nodes) == list(registry.plan("w", data).nodes) == ["#.b"]
        assert data == {"names": ["a", "b"]}

    def test_a_generator_may_take_nothing_or_be_a_coroutine(self) -> None:
        registry = Registry()

        async def later(data: Any) -> Any:
            await asyncio.sleep(0)
            return [Task(data, work)]

        registry.register("plain", lambda: [Task("a", work)])
        registry.register("later", later)
        assert list(registry.plan("plain", 1).nodes) == ["#.a"]
        assert list(registry.plan("later", "x").nodes) == ["#.x"]

    async def test_a_coroutine_is_awaited_inside_a_running_loop_too(self) -> None:
        registry = Registry()

        async def later(data: Any) -> Any:
            return [Task("a", work)]

        registry.register("later", later)
        assert list(registry.plan("later", None).nodes) == ["#.a"]

    def test_a_list_is_checked_at_once(self) -> None:
        with pytest.raises(DefinitionError, match=r"'w' is not well formed at #"):
            Registry().register("w", [Task("a.b", work)])

    @pytest.mark.parametrize("name", ["", None, 3, "x" * 201, "a\nb"])
    def test_a_wrong_name_is_refused(self, name: Any) -> None:
        with pytest.raises(DefinitionError, match="printable"):
            Registry().register(name, [])


class TestFinding:
    def test_an_unknown_name_says_what_there_is(self) -> None:
        registry = Registry()
        registry.register("known", [])
        with pytest.raises(UnknownWorkflow, match=r"'nope'\. Known names: known\."):
            registry.plan("nope", None)

    def test_discovery_runs_once_and_only_when_needed(self) -> None:
        registry, calls = Registry(), []

        def discover() -> None:
            calls.append(1)
            registry.register("found", [])

        registry.add_discovery(discover)
        registry.register("known", [])
        registry.plan("known", None)
        assert calls == []
        registry.plan("found", None)
        with pytest.raises(UnknownWorkflow):
            registry.plan("nope", None)
        assert calls == [1]

    def test_an_exception_of_a_generator_is_a_definition_error_with_its_cause(self) -> None:
        registry = Registry()
        registry.register("w", lambda data: data["missing"])
        with pytest.raises(DefinitionError, match="the generator raised KeyError") as wrong:
            registry.plan("w", {})
        assert isinstance(wrong.value.__cause__, KeyError)
