"""The language of context updaters (features S27, S28, S32)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.errors import InvalidUpdater
from jobs_flow.workflows import json as strict
from jobs_flow.workflows import updaters

CONTEXT: dict[str, Any] = {
    "n": 1,
    "nothing": None,
    "on": True,
    "rows": [1, 2, 3],
    "report": {"title": "x", "parts": [{"done": False}]},
}


def applied(updater: Any) -> dict[str, Any]:
    """What the updater makes of CONTEXT, only the members that differ; ``...`` for one that is gone."""
    before = copy.deepcopy(CONTEXT)
    after = updaters.apply(CONTEXT, updaters.check(updater))
    assert before == CONTEXT
    gone = {name: ... for name in CONTEXT if name not in after}
    return {name: value for name, value in after.items() if name not in CONTEXT or CONTEXT[name] != value} | gone


class TestOperators:
    @pytest.mark.parametrize(
        ("updater", "changed"),
        [
            pytest.param({}, {}, id="nothing"),
            pytest.param({"n": {"$set": None}}, {"n": None}, id="set"),
            pytest.param({"a": {"b": {"$set": [1]}}}, {"a": {"b": [1]}}, id="set makes what is missing"),
            pytest.param({"a": {"b": {}}}, {}, id="naming makes nothing"),
            pytest.param({"$set": {"n": 1}}, {k: ... for k in CONTEXT if k != "n"}, id="set the context"),
            pytest.param({"$unset": "n"}, {"n": ...}, id="unset"),
            pytest.param({"$unset": ["n", "on", "absent"]}, {"n": ..., "on": ...}, id="unset several"),
            pytest.param({"rows": {"$push": [4, [5]]}}, {"rows": [1, 2, 3, 4, [5]]}, id="push"),
            pytest.param({"rows": {"$unshift": [8, 9]}}, {"rows": [8, 9, 1, 2, 3]}, id="unshift"),
            pytest.param({"rows": {"$splice": [[1, 1]]}}, {"rows": [1, 3]}, id="splice"),
            pytest.param({"rows": {"$splice": [[1, 0, 7, 8]]}}, {"rows": [1, 7, 8, 2, 3]}, id="splice in"),
            pytest.param({"rows": {"$splice": [[-1, 1, 7]]}}, {"rows": [1, 2, 7]}, id="splice from the end"),
            pytest.param({"rows": {"$splice": [[-9, 1]]}}, {"rows": [2, 3]}, id="splice before the start"),
            pytest.param({"rows": {"$splice": [[9, 5, 7]]}}, {"rows": [1, 2, 3, 7]}, id="splice past the end"),
            pytest.param({"rows": {"$splice": [[0, 1], [0, 1]]}}, {"rows": [3]}, id="splice one upon the other"),
            pytest.param({"$merge": {"n": 2, "m": 3}}, {"n": 2, "m": 3}, id="merge"),
            pytest.param({"$merge": {"$set": 2}}, {"$set": 2}, id="merge is data"),
            pytest.param({"$toggle": "on"}, {"on": False}, id="toggle"),
            pytest.param({"$toggle": ["on", "off"]}, {"on": False, "off": True}, id="toggle a missing one"),
            pytest.param(
                {"report": {"parts": {"0": {"$toggle": "done"}}}},
                {"report": {"title": "x", "parts": [{"done": True}]}},
                id="a position",
            ),
            pytest.param(
                {"$updatePath": {"#.report.title": {"$set": "y"}, "#.rows": {"$push": [4]}}},
                {"report": {"title": "y", "parts": [{"done": False}]}, "rows": [1, 2, 3, 4]},
                id="update paths",
            ),
            pytest.param({"$updatePath": {"#": {"$unset": "n"}}}, {"n": ...}, id="the root's path"),
            pytest.param({"$updatePath": {"#.a.b": {"$set": 1}}}, {"a": {"b": 1}}, id="a missing path"),
            pytest.param({"$unset": "n", "n": {"m": {"$set": 2}}}, {"n": {"m": 2}}, id="in the order written"),
            pytest.param(
                {"rows": {"$push": (4,), "$unshift": (0,)}}, {"rows": [0, 1, 2, 3, 4]}, id="tuples, both ends"
            ),
        ],
    )
    def test_what_it_makes(self, updater: Any, changed: dict[str, Any]) -> None:
        assert applied(updater) == changed

    def test_what_it_does_not_touch_is_shared_and_what_it_puts_in_is_not(self) -> None:
        updater = updaters.check({"n": {"$set": [1]}, "rows": {"$push": [[1]]}, "$merge": {"m": {}}})
        kept = copy.deepcopy(updater)
        after = updaters.apply(CONTEXT, updater)
        assert after["report"] is CONTEXT["report"]
        after["n"].append(2)
        after["rows"][3].append(2)
        after["m"]["x"] = 1
        assert updater == kept

    def test_a_new_dict_even_when_nothing_changes(self) -> None:
        assert updaters.apply(CONTEXT, {}) is not CONTEXT
        assert updaters.apply_all(CONTEXT, []) is not CONTEXT

    def test_a_list_is_applied_in_turn(self) -> None:
        assert updaters.apply_all({"a": []}, [{"a": {"$push": [1]}}, {"a": {"$set": 2}}]) == {"a": 2}


class TestWrongUpdaters:
    @pytest.mark.parametrize(
        ("updater", "where", "reason"),
        [
            pytest.param([], "#", "an updater is a dict", id="no dict"),
            pytest.param(None, "#", "not null", id="null"),
            pytest.param({"a": 1}, "#.a", '{"$set": …} gives', id="a bare value"),
            pytest.param({"a": {"b": [1]}}, "#.a.b", "gives a member a value", id="a bare value below"),
            pytest.param({1: {"$set": 1}}, "#", "names are text", id="a number as name"),
            pytest.param({"a": {"$apply": 1}}, "#.a.$apply", "there are $merge, $push,", id="unknown operator"),
            pytest.param({"a": {"$set": 1, "b": {}}}, "#.a.$set", "stands alone", id="set with a name"),
            pytest.param({"a": {"$push": 1}}, "#.a.$push", "a list of items", id="push"),
            pytest.param({"a": {"$unshift": "x"}}, "#.a.$unshift", "a list of items", id="unshift"),
            pytest.param({"a": {"$merge": []}}, "#.a.$merge", "a dict of members", id="merge"),
            pytest.param({"a": {"$unset": 1}}, "#.a.$unset", "a name or a list", id="unset"),
            pytest.param({"a": {"$toggle": [1]}}, "#.a.$toggle", "a name or a list", id="toggle"),
            pytest.param({"a": {"$splice": [1, 2]}}, "#.a.$splice", "a list of parts", id="splice without parts"),
            pytest.param({"a": {"$splice": 1}}, "#.a.$splice", "a list of parts", id="splice of a number"),
            pytest.param({"a": {"$splice": [[1]]}}, "#.a.$splice", "a list of parts", id="splice without count"),
            pytest.param({"a": {"$splice": [[0, -1]]}}, "#.a.$splice", "count not negative", id="negative count"),
            pytest.param({"a": {"$splice": [[True, 1]]}}, "#.a.$splice", "whole numbers", id="true as start"),
            pytest.param({"$push": [1]}, "#.$push", "stays one", id="push to the context"),
            pytest.param({"$set": 1}, "#.$set", "stays one", id="set the context to a number"),
            pytest.param({"$updatePath": {"#": {"$set": 1}}}, "#.$updatePath.$set", "stays one", id="by its path too"),
            pytest.param({"$updatePath": 1}, "#.$updatePath", "by path", id="update path"),
            pytest.param({"$updatePath": {"a": {}}}, "#.$updatePath", "start with '#'", id="no path"),
            pytest.param({"$updatePath": {1: {}}}, "#.$updatePath", "not text", id="a number as path"),
            pytest.param({"$updatePath": {"#.a": 1}}, "#.$updatePath.#.a", "is a dict", id="no updater"),
            pytest.param({"$updatePath": {"#.$set": {}}}, "#.$updatePath.#.$set", "operators", id="an operator's path"),
            pytest.param({"a": {"$updatePath": {}}}, "#.a.$updatePath", "at the top", id="update path below"),
            pytest.param({"a": {"$set": {1}}}, "#.a.$set", "builtins.set", id="not JSON"),
            pytest.param({"a": {"$merge": {"b": [1, b""]}}}, "#.a.$merge['b'][1]", "bytes", id="not JSON below"),
            pytest.param({"a": {"$set": float("nan")}}, "#.a.$set", "nan", id="nan"),
            pytest.param({"a\udcff": {"$set": 1}}, "a key of #", "surrogate", id="a surrogate in a name"),
        ],
    )
    def test_they_are_refused_with_the_place(self, updater: Any, where: str, reason: str) -> None:
        with pytest.raises(InvalidUpdater) as wrong:
            updaters.check(updater)
        assert wrong.value.where == where
        assert reason in wrong.value.reason

    def test_in_a_list_the_position_is_named(self) -> None:
        with pytest.raises(InvalidUpdater) as wrong:
            updaters.check_all([{}, {"a": 1}])
        assert wrong.value.where == "[1]#.a"
        with pytest.raises(InvalidUpdater, match="updaters are a list"):
            updaters.check_all({"a": {"$set": 1}})

    def test_depth_is_bounded(self) -> None:
        deep: Any = {"$set": 1}
        for _ in range(updaters.MAX_DEPTH):
            deep = {"a": deep}
        updaters.apply({}, updaters.check(deep))
        for too_deep in ({"a": deep}, {"$updatePath": {"#.a": deep}}, {"$updatePath": {"#" + ".a" * 70: {"$set": 1}}}):
            with pytest.raises(InvalidUpdater, match="nested deeper"):
                updaters.check(too_deep)

    def test_what_it_makes_can_be_recorded_however_deep_its_values_are(self) -> None:
        value: Any = []
        while True:
            updater = {"$updatePath": {"#" + ".a" * 40: {"$set": value}}}
            try:
                checked = updaters.check(updater)
            except InvalidUpdater:
                break
            strict.encode([checked])
            strict.encode(updaters.apply({}, checked))
            value = [value]


class TestMisfits:
    @pytest.mark.parametrize(
        ("updater", "where", "reason"),
        [
            pytest.param(
                {"n": {"$push": [1]}}, "#.n.$push", "needs a list, but there is a value of type int", id="push"
            ),
            pytest.param(
                {"absent": {"$splice": [[0, 0, 1]]}}, "#.absent.$splice", "there is nothing", id="splice nothing"
            ),
            pytest.param({"nothing": {"$merge": {}}}, "#.nothing.$merge", "there is null", id="merge into null"),
            pytest.param({"rows": {"$unset": "a"}}, "#.rows.$unset", "needs a dict", id="unset in a list"),
            pytest.param({"$toggle": "n"}, "#.$toggle", "'n' is a value of type int", id="toggle a number"),
            pytest.param({"n": {"a": {"$set": 1}}}, "#.n", "has no members", id="a member of a number"),
            pytest.param({"nothing": {"a": {"$set": 1}}}, "#.nothing", "has no members", id="a member of null"),
            pytest.param({"rows": {"3": {"$set": 1}}}, "#.rows.3", "it has 3 items", id="past the end"),
            pytest.param({"rows": {"x": {"$set": 1}}}, "#.rows.x", "no position 'x'", id="a name in a list"),
            pytest.param({"rows": {"-1": {"$set": 1}}}, "#.rows.-1", "no position", id="a negative position"),
            pytest.param({"$updatePath": {"#.n.a": {"$set": 1}}}, "#.n", "has no members", id="a path"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_the_place(self, updater: Any, where: str, reason: str) -> None:
        before = copy.deepcopy(CONTEXT)
        with pytest.raises(InvalidUpdater) as wrong:
            updaters.apply(CONTEXT, updaters.check(updater))
        assert wrong.value.where == where
        assert reason in wrong.value.reason
        assert before == CONTEXT

    def test_values_are_not_in_the_message(self) -> None:
        with pytest.raises(InvalidUpdater) as wrong:
            updaters.apply({"a": "secret"}, {"a": {"$push": [1]}})
        assert "secret" not in str(wrong.value)


names = st.sampled_from(["a", "b", "0", "1"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3),
    max_leaves=8,
)
contexts = st.dictionaries(names, values, max_size=4)
operators: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"$set": values}),
    st.fixed_dictionaries({"$merge": contexts}),
    st.sampled_from(["$unset", "$toggle"]).flatmap(lambda name: st.fixed_dictionaries({name: names | st.lists(names)})),
    st.sampled_from(["$push", "$unshift"]).flatmap(
        lambda name: st.fixed_dictionaries({name: st.lists(values, max_size=2)})
    ),
    st.builds(
        lambda start, count, items: {"$splice": [[start, count, *items]]},
        st.integers(-4, 4),
        st.integers(0, 4),
        st.lists(values, max_size=2),
    ),
)
nested = st.recursive(operators, lambda below: st.dictionaries(names, below, max_size=3), max_leaves=5)
any_updater = st.dictionaries(names, nested, max_size=3) | st.fixed_dictionaries(
    {"$updatePath": st.dictionaries(st.sampled_from(["#.a", "#.a.b", "#.b.0"]), nested, max_size=2)}
)
rubbish: st.SearchStrategy[Any] = st.recursive(
    values | st.floats() | st.binary(max_size=2),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$set", "$push", "$splice", "$updatePath", "$x", "#.a", "a", 1]), below, max_size=3
        )
    ),
    max_leaves=12,
)


class TestProperties:
    @given(contexts, any_updater)
    def test_input_stays_and_the_result_is_json(self, context: dict[str, Any], updater: dict[str, Any]) -> None:
        checked = updaters.check(updater)
        given_context, given_updater = copy.deepcopy(context), copy.deepcopy(checked)
        try:
            updated = updaters.apply(context, checked)
        except InvalidUpdater:
            pass
        else:
            assert isinstance(updated, dict)
            assert strict.decode(strict.encode(updated)) == updated
        assert (context, checked) == (given_context, given_updater)

    @given(any_updater)
    def test_a_checked_updater_survives_json_and_another_check(self, updater: dict[str, Any]) -> None:
        checked = updaters.check(updater)
        assert json.loads(json.dumps(checked)) == checked == updaters.check(checked)

    @given(contexts, rubbish)
    def test_whatever_is_given_there_is_no_other_error(self, context: dict[str, Any], updater: Any) -> None:
        try:
            checked = updaters.check(updater)
            json.loads(json.dumps(checked, allow_nan=False))
            updaters.apply(context, checked)
        except InvalidUpdater as error:
            message = str(error)
            assert message.encode()


class TestWhereNothingIs:
    @pytest.mark.parametrize(
        ("updater", "expected"),
        [
            ({"seen": {"$push": [3]}}, {"seen": [3]}),
            ({"seen": {"$unshift": [3]}}, {"seen": [3]}),
            ({"seen": {"$merge": {"a": 1}}}, {"seen": {"a": 1}}),
            ({"deep": {"er": {"$push": [1]}}}, {"deep": {"er": [1]}}),
        ],
    )
    def test_a_list_or_a_dict_is_begun(self, updater: dict[str, Any], expected: dict[str, Any]) -> None:
        assert updaters.apply({}, updaters.check(updater)) == expected
