"""The conformance suite can fail: storages with one rule broken each are caught by it.

Each is the storage of this process with a little wrong, run through the very classes that a third party runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from scripts.environment import ROOT

#: Body of the class ``Broken(MemoryStorage)``, and of the suite what has to catch it.
BROKEN = {
    "forgets the token": (
        """
        def complete(self, instance_id, path, run, *, token, **rest):
            state = self._states.get(instance_id)
            record = state and state.records.get(path)
            if token is not None and record is not None and record.status == "running":
                token = record.token
            return super().complete(instance_id, path, run, token=token, **rest)
        """,
        "TestCompleteRefused",
    ),
    "forgets the run": (
        """
        def complete(self, instance_id, path, run, **rest):
            state = self._states.get(instance_id)
            return super().complete(instance_id, path, state.run if state else run, **rest)
        """,
        "TestCompleteRefused",
    ),
    "grants twice": (
        """
        def claim(self, instance_id, path, run, *, token, **rest):
            said = super().claim(instance_id, path, run, token=token, **rest)
            if said.state != "running":
                return said
            holder = self._states[instance_id].records[path].token
            return super().claim(instance_id, path, run, token=holder, **rest)
        """,
        "TestClaimRefusals",
    ),
    "grants twice, in a race only": (
        """
        def claim(self, instance_id, path, run, **rest):
            queued = (self.get_task(instance_id, path) or {}).get("status") == "queued"
            said = super().claim(instance_id, path, run, **rest)
            return dataclasses.replace(said, state="granted") if queued and said.state == "running" else said

        def get_task(self, instance_id, path):
            found = super().get_task(instance_id, path)
            time.sleep(0.01)
            return found
        """,
        "TestThreads",
    ),
    "skips a number": (
        """
        def add_event(self, instance_id, data):
            if instance_id in self._states:
                self._states[instance_id].seq += 1
            return super().add_event(instance_id, data)
        """,
        "TestEventStream",
    ),
    "tells nobody of a pause": (
        """
        def pause(self, instance_id, paused):
            publish, self._publish = self._publish, lambda state, data, now: state.seq
            try:
                return super().pause(instance_id, paused)
            finally:
                self._publish = publish
        """,
        "TestPause",
    ),
    "counts a join twice": (
        """
        def complete(self, instance_id, path, run, **rest):
            state = self._states.get(instance_id)
            for block in list(state.outstanding) if state else ():
                if path.startswith(block + ".") and state.outstanding[block] > 1:
                    state.outstanding[block] -= 1
            return super().complete(instance_id, path, run, **rest)
        """,
        "TestBlocks",
    ),
    "forgets to join": (
        """
        def complete(self, instance_id, path, run, *, flow, **rest):
            return super().complete(instance_id, path, run, flow=dataclasses.replace(flow, joins=()), **rest)
        """,
        "TestBlocks",
    ),
    "answers a lost outcome with nothing": (
        """
        def complete(self, instance_id, path, run, **rest):
            before = self.get_task(instance_id, path)
            done = super().complete(instance_id, path, run, **rest)
            return done if before is None or before["status"] in ("queued", "running") else Completed(False)
        """,
        "TestCompleteAgain",
    ),
    "loses updaters": (
        """
        def claim(self, *args, **rest):
            return dataclasses.replace(super().claim(*args, **rest), updaters={})
        """,
        "TestUpdaters",
    ),
    "loses a log line": (
        """
        def append_logs(self, *args, lines, **rest):
            return super().append_logs(*args, lines=lines[:1], **rest)
        """,
        "TestLogs",
    ),
    "makes 1 of 1.0": (
        """
        def complete(self, *args, outcome, **rest):
            body = outcome.body and json.dumps(json.loads(outcome.body, parse_float=lambda text: int(float(text))))
            return super().complete(*args, outcome=dataclasses.replace(outcome, body=body), **rest)
        """,
        "TestFidelity",
    ),
    "forgets a lease": (
        """
        def claim(self, *args, lease, **rest):
            return super().claim(*args, lease=lease + 10**9, **rest)
        """,
        "TestLease",
    ),
    "leaves a lease after the outcome": (
        """
        def complete(self, instance_id, path, run, **rest):
            done = super().complete(instance_id, path, run, **rest)
            state = self._states.get(instance_id)
            if done.recorded and state:
                state.timers["lease", path, ""] = 0
            return done

        def due(self, limit=100):
            found = super().due(limit)
            late = [(s, k) for s in self._states.values() for k in s.timers if k[0] == "lease"]
            return found or [Due("lease", s.id, k[1], s.run, None) for s, k in late][:limit]
        """,
        "TestLease",
    ),
    "elects two": (
        """
        def elect(self, role, holder, ttl):
            super().elect(role, holder, ttl)
            return True
        """,
        "TestElect",
    ),
    "gives a key to two": (
        """
        def create_instance(self, new):
            created = super().create_instance(dataclasses.replace(new, key=None))
            self._states[new.id].key = new.key
            if new.key is not None:
                self._keys[new.workflow, new.realm, new.key] = new.id
            return dataclasses.replace(created, key=new.key)
        """,
        "TestKeys",
    ),
    "leaves bodies behind": (
        """
        kept = {}

        def delete_instance(self, instance_id):
            if instance_id in self._states:
                self.kept[instance_id] = self._states[instance_id].bodies
            return super().delete_instance(instance_id)

        def create_instance(self, new):
            header = super().create_instance(new)
            self._states[new.id].bodies = self.kept.get(new.id, {})
            return header
        """,
        "TestBodies",
    ),
    "publishes again at once": (
        """
        def overdue(self, lane, *, grace, **rest):
            return super().overdue(lane, grace=0, **rest)
        """,
        "TestWatermark",
    ),
    "lists the oldest first": (
        """
        def list_ids(self, **rest):
            return super().list_ids(**rest)[::-1]
        """,
        "TestList",
    ),
    "differs from the model in a corner": (
        """
        def retry(self, *args, outcome, **rest):
            return super().retry(*args, outcome=dataclasses.replace(outcome, logs=()), **rest)
        """,
        "TestDifferential",
    ),
}

MODULE = """
import dataclasses, json, time

import pytest

from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import Completed, Due
from jobs_flow.testing.conformance import *


class Broken(MemoryStorage):
{body}


@pytest.fixture
def storage():
    return Broken()


@pytest.fixture
def examples():
    return 15
"""


LAGGING = """
import pytest

from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.testing.conformance import *


class Lagging(MemoryStorage):
    '''Ids are listed a moment after their instances were created, and lanes are behind too.'''

    def create_instance(self, new):
        created = super().create_instance(new)
        self.looks = 0
        return created

    def list_ids(self, **rest):
        found = super().list_ids(**rest)
        # By looks: how long the first one is in coming is not known.
        self.looks += 1
        return found if self.looks > 3 else found[1:]


@pytest.fixture
def storage():
    return Lagging()


{lag}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of all these storages: run once, as a third party does it, without plugins of ours."""
    directory = tmp_path_factory.mktemp("broken")
    modules = {
        f"storage_{number}.py": (MODULE.format(body=textwrap.indent(textwrap.dedent(body), "    ")), [catcher])
        for number, (body, catcher) in enumerate(BROKEN.values())
    }
    modules |= {
        "storage_whole.py": (MODULE.format(body="    pass"), ["TestSubscription", "TestProcesses::test_one_creates"]),
        "storage_none.py": ("from jobs_flow.testing.conformance import *", ["TestElect"]),
        "storage_behind.py": (LAGGING.format(lag=""), ["TestList"]),
        "storage_follows.py": (LAGGING.format(lag="index_lag = pytest.fixture(lambda: 5.0)"), ["TestList"]),
    }
    for name, (text, _) in modules.items():
        (directory / name).write_text(text)
    (directory / "none.ini").write_text("[pytest]\npython_files = storage_*.py\n")
    plain = ["-c", "none.ini", "-p", "no:cacheprovider", "-q", "-rfsp", "--tb=line"]
    chosen = [f"{name}::{test}" for name, (_, tests) in modules.items() for test in tests]
    said = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *chosen],
        cwd=directory,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert said.returncode == 1, said.stdout
    assert "ERROR collecting" not in said.stdout, said.stdout
    return said.stdout


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[name.replace(" ", "-") for name in BROKEN])
def test_a_broken_storage_is_caught(outcome: str, number: int) -> None:
    assert f"FAILED storage_{number}.py::" in outcome, outcome


def test_an_index_that_follows_is_allowed_to_those_who_say_so(outcome: str) -> None:
    assert "FAILED storage_behind.py::TestList::test_newest_first" in outcome
    assert "FAILED storage_follows.py" not in outcome
    assert "PASSED storage_follows.py::TestList::test_newest_first" in outcome


def test_the_suite_needs_no_plugin_of_pytest(outcome: str) -> None:
    assert "PASSED storage_whole.py::TestSubscription::test_remove\n" in outcome
    assert "FAILED storage_whole.py" not in outcome


def test_it_says_which_fixtures_are_missing(outcome: str) -> None:
    assert "no fixture `open_again` says how another process opens this storage" in outcome
    assert "the suite needs a fixture `storage`" in outcome


def test_jobs_flow_does_not_need_pytest() -> None:
    names = "{'pytest', 'hypothesis', 'jobs_flow.testing'}"
    code = f"import sys, jobs_flow, jobs_flow.jobs, jobs_flow.storages; assert not {names} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
