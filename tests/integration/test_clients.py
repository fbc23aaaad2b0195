"""What runs in browsers, as Node sees it: types, its own tests, the bundles that are committed, the protocol."""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_flow import Task
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from scripts import node as tools
from scripts.environment import ROOT, CannotInstall
from tests.integration.test_live_consumer import SignIn, User, driven, make_user, owner, sign_in, two
from tests.support import corpus
from tests.support.live import DrivenInstance, idle

__all__ = ["driven", "make_user", "owner", "sign_in", "two"]

CORE = tools.CLIENTS / "js"
STATIC = ROOT / "jobs_flow_django" / "static" / "jobs_flow"
#: What a strict content security policy forbids, or lets text become markup.
FORBIDDEN = re.compile(r"\beval\(|new Function\(|\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write\(")
#: What the server said once: the tests of the core have it where there is no server.
CORPUS = CORE / "test" / "corpus.json"
#: Set, that file is written again.
WRITE_CORPUS = "JOBS_FLOW_WRITE_CORPUS"
#: Where each package's build is committed.
COMMITTED = {"js": STATIC, "react": tools.CLIENTS / "react" / "dist"}


@pytest.fixture(scope="module")
def node() -> tools.Node:
    """Node with the packages of the clients; a test fails, and is not skipped, where the machine lacks them."""
    found = tools.find(Path(sys.prefix))
    if found is None:
        pytest.fail(f"The clients need Node. {tools.advice()}", pytrace=False)
    try:
        tools.install(found)
    except CannotInstall as error:
        pytest.fail(str(error), pytrace=False)
    return found


def run(node: tools.Node, package: Path, *command: str, **variables: str) -> str:
    """What a program of the packages prints; fails with it."""
    done = node.run(*command, cwd=package, **variables)
    assert done.returncode == 0, f"$ {' '.join(command)}\n{done.stdout}"
    return done.stdout


def run_vitest(node: tools.Node, package: Path, report: Path, *files: str, **variables: str) -> int:
    """Number of tests that vitest ran; fails with what it prints unless all passed, and when none ran."""
    vitest = tools.CLIENTS / "node_modules" / "vitest" / "vitest.mjs"
    options = ("--reporter=default", "--reporter=json", f"--outputFile.json={report}")
    output = run(node, package, node.node, str(vitest), "run", *options, *files, **variables)
    outcome = json.loads(report.read_text(encoding="utf-8"))
    assert outcome["success"], output
    assert outcome["numPassedTests"] == outcome["numTotalTests"] > 0, f"some were skipped, or there are none:\n{output}"
    return int(outcome["numTotalTests"])


@pytest.mark.parametrize("package", COMMITTED)
class TestPackages:
    def test_have_no_type_errors(self, node: tools.Node, package: str) -> None:
        compiler = tools.CLIENTS / "node_modules" / "typescript" / "bin" / "tsc"
        for project in (".", "test"):
            run(node, tools.CLIENTS / package, node.node, str(compiler), "--project", project)

    def test_pass_their_own_tests(self, node: tools.Node, package: str, tmp_path: Path) -> None:
        assert run_vitest(node, tools.CLIENTS / package, tmp_path / "report.json") > 10

    def test_are_committed_as_they_are_built(self, node: tools.Node, package: str, tmp_path: Path) -> None:
        # The build ends with an error when a bundle is larger than it may be, and prints its sizes.
        sizes = run(node, tools.CLIENTS / package, node.node, "scripts/build.mjs", str(tmp_path))
        built, committed = _files(tmp_path), _files(COMMITTED[package])

        assert "compressed" in sizes
        assert sorted(built) == sorted(committed)
        stale = [name for name, content in built.items() if content != committed[name]]
        assert not stale, f"{', '.join(stale)} is not what the sources give: run `make clients`"

    def test_have_the_version_of_the_whole(self, package: str) -> None:
        described = configparser.ConfigParser()
        described.read(ROOT / "setup.cfg")
        manifest = json.loads((tools.CLIENTS / package / "package.json").read_text(encoding="utf-8"))

        assert manifest["version"] == described["metadata"]["version"]


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


class TestPackageOfTheClient:
    def test_is_committed_as_it_is_built(self, node: tools.Node, tmp_path: Path) -> None:
        run(node, CORE, node.node, "scripts/package.mjs", str(tmp_path))

        assert _files(tmp_path) == _files(CORE / "dist"), "run `make clients`"

    def test_is_made_of_modules_that_any_tool_can_load(self, node: tools.Node) -> None:
        entries = json.loads((CORE / "package.json").read_text(encoding="utf-8"))["exports"]
        for entry in (entries["."], entries["./sse"]):
            script = "import(process.argv[1]).then((names) => console.log(Object.keys(names).join()))"
            names = run(node, CORE, node.node, "-e", script, str(CORE / entry["default"]))
            assert "JobsFlowClient" in names or "eventSource" in names
        # Compilers find the types, and bundlers the module, of all of them.
        files = [each for entry in entries.values() if isinstance(entry, dict) for each in entry.values()]
        assert [each for each in files if not (CORE / each).is_file()] == []


class TestSources:
    def test_the_types_are_those_of_the_schema(self, node: tools.Node) -> None:
        run(node, CORE, node.node, "scripts/protocol.mjs", "--check")

    def test_the_lock_file_names_no_registry(self) -> None:
        text = (tools.CLIENTS / "package-lock.json").read_text(encoding="utf-8")
        packages = json.loads(text)["packages"]

        assert "://" not in "".join(package.get("resolved", "") for package in packages.values())
        # Each that is not one of ours has its hash, so that any registry will do.
        foreign = {name: each for name, each in packages.items() if "node_modules/" in name and not each.get("link")}
        assert foreign
        assert [name for name, each in foreign.items() if "integrity" not in each] == []

    def test_bundles_have_nothing_that_a_strict_policy_forbids(self) -> None:
        for path in STATIC.glob("*.*js"):
            text = path.read_text(encoding="utf-8")
            assert text.startswith("/*! jobs-flow "), path
            assert not re.search(r"\beval\(|new Function\(|\.innerHTML\b|insertAdjacentHTML|document\.write\(", text), (
                path
            )


@pytest.mark.django_db(transaction=True)
class TestProtocol:
    @pytest.fixture(autouse=True)
    def _sync_jobs(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}

    async def test_what_the_server_says_is_understood(
        self, node: tools.Node, owner: User, sign_in: SignIn, driven: DrivenInstance, two: str, tmp_path: Path
    ) -> None:
        wide = DrivenInstance(jobs.storage, [Task("wide", idle, subtasks=[Task(f"s{i:02}", idle) for i in range(30)])])
        await WorkflowInstance.objects.acreate(id=wide.create().id, workflow="driven", fingerprint="f", owner=owner)

        async def record(
            name: str, hear: Callable[..., Awaitable[None]], *arguments: Any, **options: Any
        ) -> dict[str, Any]:
            recorder = corpus.Recorder(name, await sign_in(owner), **options)
            await hear(recorder, *arguments)
            return recorder.record

        records = [
            await record("a run", corpus.hear_of_a_run, driven, instance_id=driven.id),
            await record("windows", corpus.hear_in_windows, wide, instance_id=wide.id, known=False),
            await record("answers", corpus.hear_answers, two, driven),
            await record("the end", corpus.hear_the_end, driven, instance_id=driven.id),
        ]
        records[1]["messages"].insert(0, {"type": "hello", "version": 1, "time": 0})
        path = tmp_path / "corpus.json"
        path.write_text(json.dumps(records), encoding="utf-8")
        if WRITE_CORPUS in os.environ:
            CORPUS.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")

        run_vitest(node, CORE, tmp_path / "report.json", "test/contract.test.ts", JOBS_FLOW_CORPUS=str(path))
