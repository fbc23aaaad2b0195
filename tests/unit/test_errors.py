"""Errors on the wire and between processes (features S49, S155)."""

from __future__ import annotations

import inspect
import json
import pickle
from typing import Any

import pytest

from jobs_flow import errors
from jobs_flow.errors import ConfigurationError, InstanceNotFound, StorageUnavailable, kind_of

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.JobsFlowError)]


def made(cls: type[errors.JobsFlowError]) -> errors.JobsFlowError:
    names = [p for p in inspect.signature(cls.__init__).parameters if p not in ("self", "attributes", "message")]
    values: dict[str, Any] = {"size": 1, "limit": 2, "timeout": 1.5}
    return cls(**{name: values.get(name, "x") for name in names})


@pytest.mark.parametrize("cls", CLASSES)
class TestEveryError:
    def test_it_is_never_empty_on_the_wire(self, cls: type[errors.JobsFlowError]) -> None:
        wire = json.loads(json.dumps(made(cls).to_wire()))
        assert wire["type"] == cls.code
        assert wire["payload"]["message"]
        assert "{" not in wire["payload"]["message"]

    def test_it_survives_pickling(self, cls: type[errors.JobsFlowError]) -> None:
        error = made(cls)
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is cls
        assert (str(copy), copy.to_wire()) == (str(error), error.to_wire())


def test_codes_are_distinct() -> None:
    assert len({cls.code for cls in CLASSES}) == len(CLASSES)


def test_the_four_types_of_the_wire() -> None:
    codes = {cls.code for cls in CLASSES}
    assert codes >= {"CANNOT_FIND_TASK", "CANNOT_START_TASK", "SCHEDULER_ERROR", "EXECUTION_FAILED"}


class TestKindOf:
    def test_what_is_about_users_data_is_a_code(self) -> None:
        assert kind_of(InstanceNotFound(instance_id="secret")) == "INSTANCE_NOT_FOUND"
        assert kind_of(ValueError("secret")) == "ValueError"

    def test_what_is_about_a_server_or_a_setting_says_why(self) -> None:
        assert "connection refused" in kind_of(StorageUnavailable(storage="redis://host", reason="connection refused"))
        assert "no such setting" in kind_of(ConfigurationError(setting="jobs_flow_x", reason="no such setting"))
