"""Fetching the DynamoDB server of the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from scripts import dynoxide, machine
from scripts.environment import CannotInstall

PROGRAM = b"#!/bin/sh\necho dynoxide\n"


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that it is there for, and that names no other."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    for name in (dynoxide.PROGRAM, dynoxide.ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "_apt_get", lambda: None)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What a registry has."""
    path = tmp_path / "registry.tgz"
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo(dynoxide.MEMBER)
        member.size = len(PROGRAM)
        file.addfile(member, io.BytesIO(PROGRAM))
    return path


@pytest.fixture
def asked(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each call of npm, which gives that archive."""
    calls = tmp_path / "calls"
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\nfor last; do :; done\ncp "{archive}" "$last/package.tgz"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    return calls


class TestEnsure:
    def test_fetches_it_once(self, tmp_path: Path, archive: Path, asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        monkeypatch.setattr(dynoxide, "INTEGRITY", f"sha512-{digest}")
        prefix = tmp_path / "an environment"
        for _ in range(2):
            dynoxide.ensure(prefix)
        program = dynoxide.place(prefix)
        assert subprocess.run([program], capture_output=True, check=True).stdout == b"dynoxide\n"
        assert [path.name for path in program.parent.iterdir()] == ["dynoxide"]
        assert len(asked.read_text().splitlines()) == 1
        assert asked.read_text().startswith(f"pack {dynoxide.PACKAGE}@{dynoxide.VERSION} ")

    def test_another_content_is_not_used(self, tmp_path: Path, asked: Path) -> None:
        with pytest.raises(CannotInstall, match="not the archive that was tested"):
            dynoxide.ensure(tmp_path / "environment")
        assert list(dynoxide.place(tmp_path / "environment").parent.iterdir()) == []

    def test_a_registry_that_fails(self, tmp_path: Path, asked: Path) -> None:
        (tmp_path / "bin" / "npm").write_text("#!/bin/sh\necho E404 >&2\nexit 1\n")
        with pytest.raises(CannotInstall, match=r"E404\n.*JOBS_FLOW_TEST_DYNAMODB"):
            dynoxide.ensure(tmp_path / "environment")

    def test_without_npm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "find_program", lambda *names: None)
        with pytest.raises(CannotInstall, match=r"npm .*: install npm .*or set JOBS_FLOW_TEST_DYNAMODB"):
            dynoxide.ensure(tmp_path / "environment")

    def test_on_another_platform(self, tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
        with pytest.raises(CannotInstall, match="set JOBS_FLOW_TEST_DYNAMODB to the path"):
            dynoxide.ensure(tmp_path / "environment")

    @pytest.mark.parametrize("name", [dynoxide.PROGRAM, dynoxide.ENDPOINT])
    def test_another_one_may_be_named(
        self, tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, "elsewhere")
        dynoxide.ensure(tmp_path / "environment")
        assert not asked.exists()
