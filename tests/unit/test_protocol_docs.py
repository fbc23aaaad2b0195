"""docs/reference/protocol.md says what the schema and the server say."""

from __future__ import annotations

import re

import pytest

from jobs_flow_django.api.answers import STATUS
from jobs_flow_django.live.consumers import CLOSE_CODES
from scripts import protocol_docs
from tests.support.schema import DEFINITIONS, by_type, check
from tests.unit.test_protocol_schema import all_errors

PAGE = protocol_docs.PAGE.read_text(encoding="utf-8")


def test_the_lists_are_up_to_date() -> None:
    """Else: ``python -m scripts.protocol_docs``."""
    assert protocol_docs.with_lists(PAGE) == PAGE


@pytest.mark.parametrize("name", [*by_type("Request").values(), *by_type("Message").values()])
def test_examples_are_what_they_are_examples_of(name: str) -> None:
    check(name, protocol_docs.example(DEFINITIONS, name))


def test_every_code_of_an_error_is_listed_with_its_status() -> None:
    listed = {
        code: int(status)
        for status, codes in re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
        for code in re.findall(r"`([A-Z_]+)`", codes)
    }
    assert listed == {error.code: STATUS.get(error.code, 500) for error in all_errors()}


def test_close_codes_are_listed() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)}
    assert listed == {*CLOSE_CODES.values(), 4404, 1011}
