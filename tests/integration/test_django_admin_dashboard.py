"""The admin's page of the last 24 hours: what it counts, what it calls stuck, who may see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.storages.records import Due, Lane, Outcome
from jobs_flow_django import jobs
from jobs_flow_django.admin import dashboard
from jobs_flow_django.admin.dashboard import quantile
from jobs_flow_django.admin.formats import duration_text
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.integration.test_django_admin_run import login, words
from tests.support.flows import HOSTILE
from tests.support.live import DrivenInstance

LIST = "/admin/jobs_flow_django/workflowinstance/"
URL = f"{LIST}dashboard/"
NOWHERE = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}


class TestQuantiles:
    def test_of_nothing_is_none(self) -> None:
        assert quantile([], 0.5) is None

    @given(st.lists(st.integers(0, 1000), min_size=1), st.floats(0.01, 1))
    def test_is_the_least_that_covers_the_share(self, values: list[int], share: float) -> None:
        found = quantile(values, share)
        assert found in values
        assert sum(value <= found for value in values) >= share * len(values) - 1e-9
        assert sum(value < found for value in values) < share * len(values) + 1e-9


@pytest.fixture
def sync_jobs(settings: Any, storage_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
    monkeypatch.setattr(dashboard, "KEPT", 0)


@pytest.fixture
def admin(django_user_model: Any) -> Client:
    return login(django_user_model, is_superuser=True)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that has the page look so many seconds later; from then on the storage's clock stands still."""

    def shift(seconds: float) -> None:
        moment = jobs.storage.now() + int(seconds * 1000)
        monkeypatch.setattr(jobs.storage, "now", lambda: moment)

    return shift


@pytest.fixture
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the rows stands still: an hour may end between what a test writes and what the page reads."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)


def ended(status: str, hours: float = 0, seconds: float = 10, **fields: Any) -> WorkflowInstance:
    """A row of a run that is over."""
    end = timezone.now() - timedelta(hours=hours)
    number = WorkflowInstance.objects.count()
    given: dict[str, Any] = {"workflow": "flow_tree", "fingerprint": "f", "run": 1, **fields}
    return WorkflowInstance.objects.create(
        id=f"01a20000-0000-7000-8000-{number:012}",
        status=status,
        finished_at=end,
        started_at=end - timedelta(seconds=seconds),
        **given,
    )


def at_work(*tasks: str) -> DrivenInstance:
    """An instance whose run has begun, with its row."""
    driven = DrivenInstance(jobs.storage, tasks or ("a", "b"), workflow="flow_tree").create().start()
    WorkflowInstance.objects.create(
        id=driven.id, workflow="flow_tree", fingerprint=driven.plan.fingerprint, status="working"
    )
    return driven


def figures(client: Client, query: str = "") -> dict[str, str]:
    """The numbers at the top."""
    html = page(client, query)
    found = re.findall(r'jf-figure-label">(.*?)</span>\s*<strong[^>]*>(.*?)</strong>', html, re.DOTALL)
    return {words(label): value for label, value in found}


def page(client: Client, query: str = "") -> str:
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200
    return response.content.decode()


def section(html: str, name: str) -> str:
    """What a panel says."""
    found = re.search(rf'aria-labelledby="{name}">(.*?)</section>', html, re.DOTALL)
    return words(found[1]) if found else ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sync_jobs")
class TestWhatHasEnded:
    @pytest.mark.usefixtures("one_moment")
    def test_is_counted_by_hours_and_workflows(self, admin: Client) -> None:
        for seconds in range(1, 11):
            ended("done", 2, seconds)
        ended("failed", 2, error={"code": "EXECUTION_FAILED", "path": "#.load", "message": "a secret"})
        ended("cancelled", 5, workflow="other")
        ended("done", 30)
        html = page(admin)
        assert {name: figures(admin)[name] for name in ("Done", "Failed", "Success")} == {
            "Done": "10",
            "Failed": "1",
            "Success": "90.9 %",
        }
        assert "flow_tree 11 1 5 s 10 s other 1 0 – –" in section(html, "jf-workflows")
        assert "EXECUTION_FAILED #.load" in section(html, "jf-failures")
        assert "a secret" not in html
        hours = re.findall(r'<tr><th scope="row">\d\d:\d\d</th><td>(\d+)</td><td>(\d+)</td><td>(\d+)</td>', html)
        assert len(hours) == 24
        assert hours[-3] == ("10", "1", "0")
        assert hours[-6] == ("0", "0", "1")

    def test_of_one_realm(self, admin: Client) -> None:
        ended("done", realm="north")
        ended("failed", realm="south")
        found = figures(admin, "?realm=south")
        assert (found["Done"], found["Failed"], found["Success"]) == ("0", "1", "0.0 %")
        assert "realm=south" in page(admin, "?realm=south")

    def test_reads_no_more_than_it_says(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dashboard, "ENDED", 3)
        for _ in range(5):
            ended("done")
        assert figures(admin)["Done"] == "3+"
        ended("done", 2, realm="north")
        assert figures(admin, "?realm=north")["Done"] == "0+"
        assert "figures are of the latest of them" in words(page(admin))

    def test_the_slowest_tasks_of_the_last_runs(self, admin: Client) -> None:
        for _ in range(2):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        html = page(admin)
        text = section(html, "jf-slow")
        assert "of the last 2 runs that were done" in text
        assert "#.split.february flow_tree" in text
        assert re.search(rf"{instance_id}/change/\?task=%23", html) or "change/?task=%23" in html

    def test_the_number_of_queries_does_not_grow(self, admin: Client, database: Database) -> None:
        counts = []
        for _ in range(2):
            for number in range(12):
                ended("failed" if number % 2 else "done")
                at_work()
            with CaptureQueriesContext(connections[database.alias]) as queries:
                page(admin)
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 7, counts


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sync_jobs")
class TestWhatGoesOn:
    def test_is_counted_from_the_storage(self, admin: Client) -> None:
        at_work().claim("#.a")
        at_work()
        paused = at_work()
        jobs.pause(paused.id)
        over = at_work()
        over.complete()
        found = figures(admin)
        assert (found["At work"], found["Waiting for a worker"], found["Stuck"]) == ("3", "1", "0")
        text = words(page(admin))
        assert "1 with a task that runs" in text
        assert "1 paused" in text

    def test_who_executes_it(self, admin: Client) -> None:
        at_work().claim("#.a")
        assert re.search(r"test \d+ Nov \d\d:\d\d:\d\d 1|test .* 1$", section(page(admin), "jf-workers"))

    def test_in_which_queues_it_waits(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        now = jobs.storage.now()
        monkeypatch.setattr(jobs.storage, "now", lambda: now)
        monkeypatch.setattr(jobs.storage, "lanes", lambda: [Lane("celery", 12, now - 65_000, now)])
        assert "celery 12 1 min 05 s" in section(page(admin), "jf-lanes")
        assert "jf-lanes" not in page(admin, "?realm=north")

    def test_without_the_storage_the_rest_stays(self, admin: Client, settings: Any) -> None:
        ended("done")
        settings.JOBS_FLOW = NOWHERE
        assert figures(admin)["Done"] == "1"
        assert "cannot be reached" in page(admin)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sync_jobs")
class TestStuck:
    def stuck(self, client: Client) -> str:
        return section(page(client), "jf-stuck-title")

    def test_one_that_no_worker_takes(self, admin: Client, later: Callable[[float], None]) -> None:
        driven = at_work()
        assert "None." in self.stuck(admin)
        later(120)
        assert figures(admin)["Stuck"] == "1"
        assert "no worker takes them" in self.stuck(admin)
        header = jobs.storage.get_instance(driven.id)
        assert header is not None
        quiet = jobs.storage.now() - header.updated_at
        assert 120_000 <= quiet < 180_000
        assert duration_text(quiet // 1000 * 1000) in self.stuck(admin)
        assert f"{LIST}{driven.id}/change/" in page(admin)

    def test_not_one_whose_task_runs_for_long(self, admin: Client, later: Callable[[float], None]) -> None:
        at_work().claim("#.a")
        later(300)
        assert figures(admin)["Stuck"] == "0"

    def test_nor_one_that_is_paused(self, admin: Client, later: Callable[[float], None]) -> None:
        jobs.pause(at_work().id)
        later(300)
        assert figures(admin)["Stuck"] == "0"

    def test_nor_one_that_waits_for_its_next_try(self, admin: Client, later: Callable[[float], None]) -> None:
        driven = at_work().claim("#.a")
        again = Outcome("failed", error={"code": "EXECUTION_FAILED", "message": "no"})
        jobs.storage.retry(driven.id, "#.a", 1, token=driven._tokens["#.a"], outcome=again, delay=600_000)
        later(300)
        assert figures(admin)["Stuck"] == "0"

    def test_one_whose_lease_is_over_and_nobody_took_it(
        self, admin: Client, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driven = at_work().claim("#.a")
        due = Due("lease", driven.id, "#.a", 1, "t")
        monkeypatch.setattr(jobs.storage, "due", lambda limit: [due])
        # Recovery may just be about to.
        assert figures(admin)["Stuck"] == "0"
        later(40)
        assert "no worker sees to it" in self.stuck(admin)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sync_jobs")
class TestAccess:
    def test_is_for_who_may_see_all_instances(self, django_user_model: Any) -> None:
        client = login(django_user_model, "execute_workflowinstance")
        assert client.get(URL).status_code == 403
        assert Client().get(URL).status_code == 302

    def test_is_linked_from_the_list_and_the_app(self, django_user_model: Any) -> None:
        client = login(django_user_model, "view_workflowinstance")
        for address in (LIST, "/admin/jobs_flow_django/"):
            assert f'href="{URL}"' in client.get(address).content.decode()
        page(client)

    def test_lists_only_what_a_rule_of_the_project_allows(self, admin: Client, settings: Any) -> None:
        ended("failed", name="Mine", realm="north")
        ended("failed", name="Other", realm="south")
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "AUTHORIZE": f"{__name__}.hides_the_south"}
        html = page(admin)
        assert "Mine" in html
        assert "Other" not in html

    def test_names_are_text(self, admin: Client) -> None:
        ended("failed", name=HOSTILE, workflow=HOSTILE, realm=HOSTILE, error={"code": HOSTILE, "path": HOSTILE})
        html = page(admin)
        assert "<img src=x" not in html
        assert not re.search(r"<style|\sstyle=|\son\w+=[^&]|<script(?![^>]*\ssrc=)", re.sub(r">[^<]*<", "><", html))

    @pytest.mark.usefixtures("one_moment")
    def test_the_part_is_the_same_without_the_frame(self, admin: Client) -> None:
        ended("failed", name="Mine")
        part = page(admin, "?part=live")
        assert part.strip().startswith('<div id="content-main"')
        assert part.strip() in page(admin)
        assert admin.post(URL).status_code == 405


def hides_the_south(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    return instance is None or instance.realm != "south"
