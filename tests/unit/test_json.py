"""Strict JSON: equal on the other side, or refused with the place and the type (feature S24)."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.errors import NotJson
from jobs_flow.workflows import json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class TestFidelity:
    @given(values)
    def test_what_goes_in_comes_out_equal(self, value: Any) -> None:
        decoded = json.decode(json.encode(value))
        assert decoded == value
        assert type(decoded) is type(value)

    @pytest.mark.parametrize("value", [0, "", False, [], {}, None, 0.0])
    def test_falsy_values_stay_what_they_are(self, value: Any) -> None:
        assert repr(json.decode(json.encode(value))) == repr(value)


class TestRefusal:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (datetime.date(2026, 1, 1), "the result is of type datetime.date"),
            ({"rows": [1, {2}]}, "the result['rows'][1] is of type builtins.set"),
            ({1: 2}, "the result is a dict with the key 1 of type int"),
            ([math.nan], "the result[0] is the number nan"),
            (math.inf, "the result is the number inf"),
            (b"x", "the result is of type builtins.bytes"),
            ("\ud800", "the result is text with a lone surrogate"),
            (object, "the result is of type builtins.type"),
        ],
    )
    def test_place_and_type_are_named(self, value: Any, message: str) -> None:
        with pytest.raises(NotJson) as refused:
            json.encode(value, "the result")
        assert str(refused.value) == f"{message}, which JSON cannot hold."

    def test_a_value_within_itself_is_refused(self) -> None:
        value: list[Any] = []
        value.append(value)
        with pytest.raises(NotJson, match="nested deeper"):
            json.encode(value)
