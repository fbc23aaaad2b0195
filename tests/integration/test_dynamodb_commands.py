"""The commands that make the table of a storage."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from celery.bin.celery import celery
from click.testing import CliRunner, Result
from django.core.management import CommandError, call_command

from jobs_flow.backends.celery.cli import flow
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.schema import check_table


@pytest.fixture
def url(dynamodb_url: str) -> str:
    """Of a storage in a table that is not there."""
    table = Connection.parse(dynamodb_url).table
    return dynamodb_url.replace(f"@{table}?", f"@unmade-{secrets.token_hex(6)}?")


@pytest.fixture
def run() -> Iterator[Callable[[ModuleType], Result]]:
    """Runs ``celery -A engine flow create-table`` here."""
    celery.add_command(flow)
    yield lambda engine: CliRunner().invoke(celery, ["-A", engine.__name__, "flow", "create-table"])
    celery.commands.pop("flow")


class TestCelery:
    def test_makes_it_and_then_checks_it(
        self, url: str, valkey_url: str, import_engine: Callable[..., ModuleType], run: Callable[[ModuleType], Result]
    ) -> None:
        engine = import_engine(broker=valkey_url, storage=url, results=valkey_url)
        said = [run(engine) for _ in range(2)]
        assert [each.exit_code for each in said] == [0, 0], said
        assert "was created" in said[0].output
        assert "was there already" in said[1].output
        check_table(Connection.parse(url))

    def test_another_storage_needs_none(
        self, valkey_url: str, import_engine: Callable[..., ModuleType], run: Callable[[ModuleType], Result]
    ) -> None:
        engine = import_engine(broker=valkey_url, storage=valkey_url, results=valkey_url)
        said = run(engine)
        assert said.exit_code == 1
        assert "is no DynamoDB and needs no table" in said.output


class TestDjango:
    def test_makes_it_and_then_checks_it(self, url: str, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": url, "BACKEND": "sync"}
        said = StringIO()
        for _ in range(2):
            call_command("jobs_flow_create_table", stdout=said)
        table = Connection.parse(url).label
        assert said.getvalue() == f"{table} was created.\n{table} was there already, and is right.\n"

    def test_another_storage_needs_none(self, valkey_url: str, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": valkey_url, "BACKEND": "sync"}
        with pytest.raises(CommandError, match="is no DynamoDB and needs no table"):
            call_command("jobs_flow_create_table")
