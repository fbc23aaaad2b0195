"""The grammar of task paths (feature S18)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.errors import InvalidPath
from jobs_flow.workflows import paths

names = st.text(
    st.characters(exclude_characters=".#", exclude_categories=("C", "Z")), min_size=1, max_size=paths.MAX_NAME
)


class TestGrammar:
    @given(st.lists(names, max_size=4))
    def test_what_is_joined_parses_back(self, parts: list[str]) -> None:
        assert paths.parse(paths.join("#", *parts)) == tuple(parts)

    @pytest.mark.parametrize("wrong", ["", "a", ".a", "#a", "#..a", "#.", "#.a.", "##", "#.a#b", "#.a\n", " #.a"])
    def test_anything_else_is_refused_and_named(self, wrong: str) -> None:
        with pytest.raises(InvalidPath) as refused:
            paths.parse(wrong)
        assert refused.value.code == "INVALID_PATH"
        assert repr(wrong) in str(refused.value)

    def test_a_path_of_another_type_is_refused(self) -> None:
        with pytest.raises(InvalidPath, match="not text"):
            paths.parse(None)  # type: ignore[arg-type]

    def test_a_path_has_a_longest_length(self) -> None:
        with pytest.raises(InvalidPath, match="longer than 512"):
            paths.parse(paths.join("#", *["n" * 100] * 6))


class TestFamily:
    def test_segments_are_compared_not_characters(self) -> None:
        assert paths.is_within("#.task1.x", "#.task1")
        assert paths.is_within("#.task1", "#.task1")
        assert not paths.is_within("#.task10", "#.task1")

    def test_parents_up_to_the_root(self) -> None:
        assert paths.parent("#.a.b") == "#.a"
        assert paths.parent("#.a") == "#"
        assert paths.parent("#") is None
        assert list(paths.ancestors("#.a.b.c")) == ["#.a.b", "#.a"]
        assert paths.name("#.a.b") == "b"
