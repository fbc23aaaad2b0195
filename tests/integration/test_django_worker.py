"""Django's side of a run on a real worker: rows, signals and the admin while another process executes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from playwright.sync_api import sync_playwright

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.integration.test_django_admin_run import begin
from tests.support import flows  # noqa: F401 - registers the workflows
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.servers import CHROMIUM_FLAGS

LIST = "/admin/jobs_flow_django/workflowinstance/"

pytestmark = pytest.mark.django_db(transaction=True)


def status_becomes(instance_id: str, status: str) -> WorkflowInstance:
    row = WorkflowInstance.objects.filter(pk=instance_id)
    found: WorkflowInstance = eventually(lambda: row.filter(status=status).first(), 40)
    return found


@pytest.mark.usefixtures("storage_url")
class TestWorker:
    def test_mirrors_what_it_executes(self, database: Database, start_worker: Callable[..., Worker]) -> None:
        start_worker()
        with transaction.atomic(using=database.alias):
            good = jobs.create_workflow_instance("behaviour_parallel", execute=True)
        bad = jobs.create_workflow_instance("behaviour_raising", execute=True)
        row = status_becomes(good, "done")
        assert (row.progress, row.run, row.error) == (1.0, 1, None)
        assert row.started_at is not None
        assert row.finished_at is not None
        error = status_becomes(bad, "failed").error
        assert error is not None
        assert error["path"] == "#.average"

    def test_catches_up_with_what_was_started_before_it(
        self, database: Database, start_worker: Callable[..., Worker]
    ) -> None:
        instance_id = jobs.create_workflow_instance("behaviour_ok", execute=True)
        assert WorkflowInstance.objects.get(pk=instance_id).status == "working"
        start_worker(pool="threads")
        status_becomes(instance_id, "done")

    def test_the_admin_starts_runs(
        self, database: Database, start_worker: Callable[..., Worker], admin_client: Client
    ) -> None:
        instance_id = jobs.create_workflow_instance("behaviour_ok")
        start_worker(pool="solo")
        page = begin(admin_client, instance_id).content.decode()
        assert "Run 1 started." in page
        status_becomes(instance_id, "done")


class TestInABrowser:
    @pytest.mark.parametrize("database", ["default"], indirect=True)
    def test_the_admin_fits_any_width_and_runs_nothing_it_shows(
        self,
        database: Database,
        start_web: Callable[..., Any],
        storage_url: str,
        settings: Any,
        admin_client: Client,
        chromium: Path,
        take_picture: Callable[[Any, str], None],
    ) -> None:
        """On a phone and on a desk, in both themes, under the test project's content security policy."""
        settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
        ids = {
            name: jobs.create_workflow_instance(name, data, name=f"<b>{name}</b>", realm="a" * 60, execute=True)
            for name, data in (("flow_tree", {"fail": True}), ("flow_hostile", None), ("flow_wide", {"width": 60}))
        }
        # One that the web server knows too, to be resumed there.
        known = jobs.create_workflow_instance("behaviour_raising", execute=True)
        jobs.resume(ids["flow_tree"])
        jobs.execute_one_task(ids["flow_tree"], "#.load")
        jobs.pause(ids["flow_tree"])
        web = start_web()
        cookie = {"name": "sessionid", "value": admin_client.cookies["sessionid"].value, "url": web.url}
        complaints: list[str] = []
        # Not a fixture: while Playwright has its loop in this thread, Django allows no queries in it.
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            for theme, width in itertools.product(("light", "dark"), (360, 1400)):
                viewport = {"width": width, "height": 800}
                context = browser.new_context(viewport=viewport, color_scheme=theme, base_url=web.url)  # type: ignore[arg-type]
                context.add_cookies([cookie])  # type: ignore[list-item]
                page = context.new_page()
                page.on("console", lambda message: complaints.append(f"{message.text} {message.location}"))
                page.on("pageerror", lambda error: complaints.append(str(error)))
                page.goto(LIST)
                assert page.locator("#result_list tbody tr").count() == 4
                take_picture(page, f"admin-list-{theme}-{width}")
                for name, instance_id in ids.items():
                    page.goto(f"{LIST}{instance_id}/change/")
                    assert page.locator("h1 bdi").inner_text() == f"<b>{name}</b>"
                    page.locator(".jf-name a").nth(1).click()
                    page.wait_for_selector(".jf-detail")
                    page.wait_for_load_state()
                    assert page.evaluate("document.documentElement.scrollWidth") <= width
                    take_picture(page, f"admin-{name}-{theme}-{width}")
                for command in ("run", "resume", "cancel", "destroy"):
                    page.goto(f"{LIST}{known}/do/{command}/")
                    page.wait_for_selector(".jf-confirm")
                    assert page.evaluate("document.documentElement.scrollWidth") <= width
                    take_picture(page, f"admin-{command}-{theme}-{width}")
                page.goto(f"{LIST}{ids['flow_tree']}/change/?task=%23.split.february")
                page.get_by_text("Earlier attempts").click()
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                take_picture(page, f"admin-attempts-{theme}-{width}")
                page.goto(LIST)
                for number in (0, 3):
                    page.locator("#result_list tbody input").nth(number).check()
                page.locator("select[name=action]").select_option("resume")
                page.locator("button[name=index]").click()
                page.wait_for_selector(".jf-confirm")
                page.wait_for_load_state()
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                take_picture(page, f"admin-several-{theme}-{width}")
                context.close()
            browser.close()
        assert [text for text in complaints if "favicon.ico" not in text] == []
