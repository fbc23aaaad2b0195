"""What `make` does before anything is installed: the environment, the machine, the commands."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import checks, commands, environment, machine
from scripts.environment import ROOT, CannotInstall


def script(path: Path, *lines: str) -> Path:
    """A program at that place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pip was asked for, in a clone with spaces in its path whose environment is the one that the tests run in."""
    clone = tmp_path / "a clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(script(clone / "python", f'exec "{sys.executable}" "$@"'))
    for name in ("setup.cfg", "pyproject.toml"):
        (clone / name).write_text("first", encoding="utf-8")
    asked: list[str] = []
    monkeypatch.setattr(environment, "ROOT", clone)
    monkeypatch.setattr(environment, "VENV", clone / ".venv")
    monkeypatch.setattr(environment, "pip_install", lambda python, *what: asked.append(what[-1].split("/")[-1]))
    return asked


class TestEnsure:
    def test_installs_once(self, installed: list[str]) -> None:
        assert environment.ensure("demo") == environment.ensure("demo")
        assert installed == ["a clone[demo]"]

    @pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
    def test_installs_again_after_a_change(self, installed: list[str], name: str) -> None:
        environment.ensure("demo")
        (environment.ROOT / name).write_text("second", encoding="utf-8")
        environment.ensure("demo")
        assert installed == ["a clone[demo]"] * 2

    def test_the_tests_hold_the_demo(self, installed: list[str]) -> None:
        environment.ensure("test")
        environment.ensure("demo")
        assert installed == ["a clone[test]"]

    def test_the_demo_does_not_hold_the_tests(self, installed: list[str]) -> None:
        environment.ensure("demo")
        environment.ensure("test")
        assert installed == ["a clone[demo]", "a clone[test]"]

    def test_an_installation_that_failed_is_tried_again(
        self, installed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(python: Path, *what: str) -> None:
            raise CannotInstall("no network")

        with monkeypatch.context() as patch:
            patch.setattr(environment, "pip_install", fail)
            with pytest.raises(CannotInstall):
                environment.ensure("demo")
        environment.ensure("demo")
        assert installed == ["a clone[demo]"]

    def test_a_broken_environment_is_made_again(self, installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        environment.ensure("demo")
        (environment.VENV / "bin" / "python").unlink()
        made: list[Path] = []
        monkeypatch.setattr(environment, "create_venv", made.append)
        environment.ensure("demo")
        assert made == [environment.VENV]
        assert len(installed) == 2


class TestCreateVenv:
    @pytest.fixture(autouse=True)
    def python_without_ensurepip(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # As Debian's does, it leaves half an environment behind.
        broken = script(tmp_path / "broken", 'mkdir -p "$3/bin"', "echo ensurepip is not available", "exit 1")
        monkeypatch.setattr(environment, "BASE_PYTHON", str(broken))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    @pytest.mark.parametrize("name", ["uv", "virtualenv"])
    def test_falls_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        maker = script(tmp_path / "bin" / name, 'for last; do :; done; mkdir -p "$last/bin"', 'touch "$last/made"')
        monkeypatch.setattr(environment, "_usable", lambda python: (python.parent.parent / "made").exists())
        monkeypatch.setattr(shutil, "which", lambda wanted: str(maker) if wanted == name else None)
        environment.create_venv(tmp_path / "an environment")
        assert (tmp_path / "an environment" / "made").exists()

    def test_names_the_package_and_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda wanted: None)
        with pytest.raises(CannotInstall, match=r"ensurepip is not available(.|\n)*apt-get install python3-venv"):
            environment.create_venv(tmp_path / "none")
        assert not (tmp_path / "none").exists()


@pytest.fixture
def need(tmp_path: Path) -> machine.Need:
    """Something that no machine has."""
    return machine.Need("a teapot", lambda: (tmp_path / "pot").exists(), (("pot", "kettle"), ("tea",)), "TEAPOT_URL")


class TestMachine:
    def test_a_url_replaces_what_is_missing(self, need: machine.Need, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not need.met()
        monkeypatch.setenv("TEAPOT_URL", "pot://elsewhere")
        assert need.met()

    def test_installs_where_it_may(self, need: machine.Need, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        apt = script(tmp_path / "apt-get", f'echo "$@" >> "{tmp_path}/calls"', f'touch "{tmp_path}/pot"')
        monkeypatch.setattr(machine, "_apt_get", lambda: [str(apt)])
        monkeypatch.setattr(machine, "_known", lambda package: package != "pot")
        assert machine.ensure([need]) == []
        calls = (tmp_path / "calls").read_text().splitlines()
        assert calls == ["update -qq", "install -y -qq --no-install-recommends kettle tea"]

    def test_names_what_it_may_not_install(self, need: machine.Need, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "_apt_get", lambda: None)
        assert machine.ensure([need]) == [need]
        assert "a teapot: install pot or kettle tea" in machine.advice([need])
        assert "or set TEAPOT_URL" in machine.advice([need])

    def test_finds_programs_that_path_hides(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        program = script(tmp_path / "sbin" / "serverd")
        monkeypatch.setattr(machine, "ELSEWHERE", (str(program.parent),))
        monkeypatch.setenv("PATH", "/nowhere")
        assert machine.find_program("absent", "serverd") == str(program)
        assert machine.find_program("absent") is None


class TestCommands:
    @pytest.mark.parametrize("words", [[], ["tset"]])
    def test_unknown_ones_are_answered_with_the_known(
        self, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert commands.main(words) == 2
        known = "demo|test|lint|clients|benchmark|benchmark-rows|benchmark-live|chaos|screenshots"
        assert known in capsys.readouterr().out

    def test_the_step_that_fails_is_named_and_the_rest_not_run(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        steps = (("good", ("-c", "")), ("bad", ("-c", "raise SystemExit(3)")), ("later", ("-c", "")))
        monkeypatch.setattr(checks, "STEPS", steps)
        monkeypatch.setattr(environment, "ensure", lambda extra, then: Path(sys.executable))
        assert commands.main(["lint"]) == 1
        assert capsys.readouterr().out.splitlines() == [
            "jobs-flow: good",
            "jobs-flow: bad",
            "jobs-flow: failed at bad",
        ]

    @pytest.mark.parametrize("target", list(commands.COMMANDS))
    def test_make_has_a_target_for_each(self, target: str) -> None:
        command = ["make", "--no-print-directory", "--dry-run", target, "ARGS=--one two"]
        # The tests themselves may be run by make, which tells its children so.
        env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == f"python3 scripts/bootstrap.py {target} --one two"


class TestInterpreter:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
        """Run the search for a newer Python, as an old one does, with the programs of a directory on PATH."""

        def start(then: str) -> subprocess.CompletedProcess[str]:
            code = f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); os.environ['PATH'] = {str(tmp_path)!r}; {then}"
            return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

        return start

    def test_a_shim_is_passed_over(
        self, tmp_path: Path, run: Callable[[str], subprocess.CompletedProcess[str]]
    ) -> None:
        script(tmp_path / "python3.13", "exit 127")
        script(tmp_path / "python3.12", '[ "$1" = -c ] && exit 0', 'echo "became 3.12 with $2"')
        done = run("from scripts import bootstrap; sys.argv[1:] = ['demo']; bootstrap.use_a_newer_python()")
        assert "using python3.12\nbecame 3.12 with demo" in done.stdout

    def test_none_is_said_in_a_sentence(self, run: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
        done = run("from scripts import bootstrap; bootstrap.use_a_newer_python()")
        assert done.returncode == 1
        assert "needs Python 3.11 or newer" in done.stderr
