"""What the wheel holds, what it asks for, and that the repository's own files agree with it."""

from __future__ import annotations

import configparser
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.environment import ROOT

#: What is not Python and has to come along: a package without it imports well and fails later.
DATA = ("py.typed", "*.lua", "templates/**/*", "static/**/*", "*.schema.json")


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """All files of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Its METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def requirements(metadata: Message) -> list[Requirement]:
    """Every ``Requires-Dist``."""
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def sources(*patterns: str) -> set[str]:
    """The files of both packages that match, as paths from the root."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in ("jobs_flow", "jobs_flow_django")
        for pattern in patterns
        for path in (ROOT / package).rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


class TestContents:
    def test_holds_every_module(self, names: set[str]) -> None:
        assert sources("*.py") <= names

    def test_holds_every_migration(self, names: set[str]) -> None:
        assert "jobs_flow_django/migrations/0001_initial.py" in names

    @pytest.mark.parametrize("pattern", DATA)
    def test_holds_data(self, names: set[str], pattern: str) -> None:
        assert sources(pattern) <= names

    @pytest.mark.parametrize("package", ["jobs_flow", "jobs_flow_django"])
    def test_says_that_it_is_typed(self, names: set[str], package: str) -> None:
        assert f"{package}/py.typed" in names

    @pytest.mark.parametrize("suffix", [".lua", ".html", ".js", ".mjs", ".schema.json"])
    def test_there_is_data_to_hold(self, names: set[str], suffix: str) -> None:
        assert any(name.endswith(suffix) for name in names)

    def test_holds_nothing_else(self, names: set[str]) -> None:
        assert {name.split("/")[0].split("-")[0] for name in names} == {"jobs_flow", "jobs_flow_django"}

    def test_holds_the_licence(self, names: set[str]) -> None:
        assert any(name.endswith("/LICENSE") for name in names)


class TestMetadata:
    def test_core_needs_celery_with_redis_and_nothing_else(self, requirements: list[Requirement]) -> None:
        (celery,) = (one for one in requirements if one.marker is None)
        assert (celery.name, celery.extras) == ("celery", {"redis"})
        assert [version for version in ("5.6.2", "5.6.3", "5.7.0", "6.0") if version in celery.specifier] == [
            "5.6.3",
            "5.7.0",
        ]

    def test_redis_is_never_named_apart(self, requirements: list[Requirement]) -> None:
        assert "redis" not in {one.name for one in requirements}

    def test_extras(self, metadata: Message) -> None:
        extras = set(metadata.get_all("Provides-Extra", []))
        assert extras == {"django", "channels", "mysql", "pymysql", "dynamodb", "s3", "testing", "demo", "test"}

    def test_python_and_licence(self, metadata: Message) -> None:
        assert metadata["Requires-Python"] == ">=3.11"
        assert metadata["License"] == "MIT"


class TestRepository:
    def test_tools_check_the_oldest_python(self) -> None:
        tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
        assert tools["ruff"]["target-version"] == "py311"
        assert tools["mypy"]["python_version"] == "3.11"

    def test_changelog_has_a_place_for_the_version(self) -> None:
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg", "utf-8")
        changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
        assert setup["metadata"]["version"] in changelog
        assert "## [Unreleased]" in changelog
