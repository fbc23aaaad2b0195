"""The list of instances in the admin."""

from __future__ import annotations

import itertools
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_flow.storages.records import RunSelection
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import default_authorize
from tests.conftest import Database
from tests.support.flows import HOSTILE

URL = "/admin/jobs_flow_django/workflowinstance/"
NOWHERE = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
    # Ids of one millisecond are in no order; the tests want theirs in one.
    numbers = itertools.count(1)
    monkeypatch.setattr(
        "jobs_flow.storages.redis_partitions.new_instance_id",
        lambda: f"01a20000-{next(numbers):04x}-7000-8000-00000000000a",
    )


def login(django_user_model: Any, *codenames: str, **fields: Any) -> Client:
    user = django_user_model.objects.create_user("reader", **{"is_staff": True, **fields})
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(django_user_model: Any) -> Client:
    return login(django_user_model, is_superuser=True)


def names(response: Any) -> list[str]:
    """The instances that the page lists, in its order."""
    assert response.status_code == 200
    rows: list[str] = re.findall(r'field-label"><a href="[^"]*"><bdi>(.*?)</bdi>', response.content.decode())
    return [unescape(row) for row in rows]


def cell(response: Any, field: str) -> list[str]:
    found = re.findall(rf'<td class="field-{field}[^"]*">(.*?)</td>', response.content.decode(), re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]+>", " ", each)).split()) for each in found]


class TestRows:
    def test_show_what_became_of_each(self, admin: Client) -> None:
        jobs.create_workflow_instance("flow_tree", name="Idle", realm="r1")
        jobs.create_workflow_instance("flow_tree", name="Good", execute=True)
        jobs.create_workflow_instance("flow_tree", {"fail": True}, name="Bad", execute=True)
        response = admin.get(URL)
        assert names(response) == ["Bad", "Good", "Idle"]
        assert cell(response, "state") == ["failed", "done", "inactive"]
        assert cell(response, "share") == ["80 %", "100 %", "0 %"]
        assert cell(response, "realm_name") == ["", "", "r1"]
        assert cell(response, "took")[2] == cell(response, "started")[2] == "–"

    def test_one_at_work_is_read_from_the_storage(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        run = jobs.storage.start_run(instance_id, RunSelection(["#.load"], ["#.load"], {})).run
        assert WorkflowInstance.objects.get().status == "inactive"
        assert (run, cell(admin.get(URL), "state")) == (1, ["working"])
        assert WorkflowInstance.objects.get().status == "inactive"

    def test_the_storage_is_asked_once_for_all(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = [jobs.create_workflow_instance("flow_tree") for _ in range(5)]
        asked: list[list[str]] = []
        get_instances = jobs.storage.get_instances

        def ask(given: list[str]) -> Any:
            asked.append(given)
            return get_instances(given)

        monkeypatch.setattr(jobs.storage, "get_instances", ask)
        admin.get(URL)
        assert asked == [ids[::-1]]

    def test_without_the_storage_the_list_stays_and_says_so(self, admin: Client, settings: Any) -> None:
        jobs.create_workflow_instance("flow_tree", name="Idle")
        settings.JOBS_FLOW = NOWHERE
        response = admin.get(URL)
        assert names(response) == ["Idle"]
        text = response.content.decode()
        assert "as last recorded in the database" in text
        assert "cannot be reached" in text

    def test_records_that_are_gone_leave_the_row(self, admin: Client, settings: Any) -> None:
        jobs.create_workflow_instance("flow_tree", name="Idle")
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        assert cell(admin.get(URL), "state") == ["inactive"]

    def test_hostile_names_are_text(self, admin: Client) -> None:
        jobs.create_workflow_instance("flow_hostile", name=HOSTILE, realm=HOSTILE)
        response = admin.get(f"{URL}?realm=%3Cimg%20src%3Dx%3E&q=%3Cimg%20src%3Dx%3E")
        assert "<img src=x" not in response.content.decode()
        response = admin.get(URL)
        assert "<img src=x" not in response.content.decode()
        assert (names(response), cell(response, "realm_name")) == ([HOSTILE], [HOSTILE])

    def test_nothing_inline_that_a_strict_policy_forbids(self, admin: Client) -> None:
        jobs.create_workflow_instance("flow_tree")
        text = admin.get(URL).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)

    @pytest.mark.parametrize("rows", [3, 40])
    def test_the_number_of_queries_does_not_grow(
        self, admin: Client, database: Database, django_user_model: Any, rows: int
    ) -> None:
        owner = django_user_model.objects.get()
        for number in range(rows):
            jobs.create_workflow_instance("flow_tree", name=f"Number {number}", owner=owner)
        with CaptureQueriesContext(connections[database.alias]) as queries:
            response = admin.get(URL)
        assert len(names(response)) == rows
        of_instances = [query["sql"] for query in queries if "jobs_flow_instance" in query["sql"]]
        assert len(of_instances) == 2, of_instances
        assert len(queries) <= 5
        assert not any("DISTINCT" in sql or "base_context" in sql for sql in of_instances)


class TestFinding:
    @pytest.fixture(autouse=True)
    def instances(self) -> None:
        jobs.create_workflow_instance("flow_tree", name="Rain in May", realm="north", execute=True)
        jobs.create_workflow_instance("flow_tree", {"fail": True}, name="Rain in June", realm="south", execute=True)
        jobs.create_workflow_instance("flow_wide", {"width": 2}, name="Archive", realm="north-east")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status__exact=failed", ["Rain in June"]),
            ("workflow=flow_wide", ["Archive"]),
            ("workflow=no_longer_registered", []),
            ("realm=north", ["Rain in May"]),
            ("q=rain", ["Rain in June", "Rain in May"]),
            ("q=rain&realm=south&status__exact=failed", ["Rain in June"]),
            ("created_at__gte=2100-01-01%2000:00:00%2B00:00", []),
            ("o=6", ["Rain in May", "Rain in June", "Archive"]),
            ("o=-5", ["Archive", "Rain in June", "Rain in May"]),
            ("o=1.2.3", ["Archive", "Rain in June", "Rain in May"]),
        ],
    )
    def test_filters_search_and_order(self, admin: Client, query: str, found: list[str]) -> None:
        assert names(admin.get(f"{URL}?{query}")) == found

    def test_by_id_or_its_beginning(self, admin: Client) -> None:
        row = WorkflowInstance.objects.get(name="Archive")
        assert names(admin.get(f"{URL}?q={row.pk}")) == ["Archive"]
        assert len(names(admin.get(f"{URL}?q={row.pk[:8]}"))) == 3

    def test_only_registered_workflows_are_offered(self, admin: Client) -> None:
        text = admin.get(f"{URL}?workflow=no_longer_registered").content.decode()
        assert all(f"?workflow={name}" in text for name in ("flow_tree", "flow_wide", "no_longer_registered"))

    def test_the_realm_form_keeps_the_other_filters(self, admin: Client) -> None:
        text = admin.get(f"{URL}?status__exact=failed&q=rain&realm=south&p=1").content.decode()
        form = re.search(r'<form method="get" class="jf-realm">.*?</form>', text, re.DOTALL)
        assert form is not None
        kept = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', form.group()))
        assert kept == {"status__exact": "failed", "q": "rain"}
        assert 'value="south"' in form.group()

    @pytest.mark.parametrize(
        "lookup", ["data__fail=true", "base_context__x=1", "owner__password__startswith=m", "name=x"]
    )
    def test_no_other_field_answers_questions(self, admin: Client, lookup: str) -> None:
        assert admin.get(f"{URL}?{lookup}").status_code == 400


class TestPages:
    """One after the other by ids; nothing is counted."""

    @pytest.fixture(autouse=True)
    def instances(self) -> None:
        WorkflowInstance.objects.bulk_create(
            WorkflowInstance(
                id=f"{number:04}",
                workflow="w",
                name=f"N{number}",
                status="failed" if number % 2 else "done",
                realm="r",
                fingerprint="f",
            )
            for number in range(160)
        )

    def link(self, response: Any, rel: str) -> str | None:
        found = re.search(rf'<a href="([^"]*)" rel="{rel}">', response.content.decode())
        return unescape(found.group(1)) if found else None

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            pytest.param("", range(159, -1, -1), id="all"),
            pytest.param("?o=6", range(160), id="the oldest first"),
            pytest.param("?status__exact=failed", range(159, -1, -2), id="of a status"),
            pytest.param("?status__exact=failed&workflow=w&realm=r", range(159, -1, -2), id="three filters"),
            pytest.param("?q=N1&realm=r", [*range(159, 99, -1), *range(19, 9, -1), 1], id="a search"),
            pytest.param("?q=N1&o=6", [1, *range(10, 20), *range(100, 160)], id="a search, the oldest first"),
        ],
    )
    def test_forth_and_back(self, admin: Client, query: str, numbers: Any) -> None:
        expected = [f"N{number}" for number in numbers]
        response = admin.get(URL + query)
        assert self.link(response, "prev") is None
        pages = [names(response)]
        while link := self.link(response, "next"):
            response = admin.get(URL + link)
            pages.append(names(response))
        assert pages == [expected[start : start + 50] for start in range(0, len(expected), 50)]
        back = [names(response)]
        while link := self.link(response, "prev"):
            response = admin.get(URL + link)
            back.append(names(response))
        assert back[0] == pages[-1]
        assert [name for page in reversed(back) for name in page] == expected

    def test_nothing_is_counted_and_rows_are_read_by_their_ids(self, admin: Client, database: Database) -> None:
        with CaptureQueriesContext(connections[database.alias]) as queries:
            admin.get(f"{URL}?status__exact=failed&realm=r&workflow=w")
        of_instances = [query["sql"] for query in queries if "jobs_flow_instance" in query["sql"]]
        assert len(of_instances) == 2, of_instances
        assert not any("COUNT" in sql or "OFFSET" in sql for sql in of_instances)

    def test_a_filter_begins_at_the_first_page(self, admin: Client) -> None:
        response = admin.get(f"{URL}?after=0100")
        assert names(response)[0] == "N99"
        links = re.findall(r'href="(\?[^"]*status__exact[^"]*)"', response.content.decode())
        assert links
        assert not any("after" in link for link in links)

    @pytest.mark.parametrize("query", ["after=0000", "before=9999", "after=%00%F0%9F%8C%A7", "after=a&before=b"])
    def test_a_page_that_is_not_there_leads_back(self, admin: Client, query: str) -> None:
        response = admin.get(f"{URL}?{query}")
        assert response.status_code == 200
        if not names(response):
            assert self.link(response, "prev") == "?"


def hides_the_south(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    if instance is not None and instance.realm == "south":
        return False
    return default_authorize(user, action, instance)


class TestAccess:
    @pytest.mark.parametrize(
        ("fields", "permissions", "status"),
        [
            pytest.param({}, ["view_workflowinstance"], 200, id="may view"),
            pytest.param({}, [], 403, id="may nothing"),
            pytest.param(
                {},
                ["view_payload_workflowinstance", "execute_workflowinstance", "change_workflowinstance"],
                403,
                id="may other things",
            ),
            pytest.param({"is_staff": False}, ["view_workflowinstance"], 302, id="no staff"),
            pytest.param({"is_superuser": True}, [], 200, id="superuser"),
        ],
    )
    def test_needs_the_permission_to_view(
        self, django_user_model: Any, fields: dict[str, Any], permissions: list[str], status: int
    ) -> None:
        client = login(django_user_model, *permissions, **fields)
        assert client.get(URL).status_code == status
        listed = b"Workflow instances" in client.get("/admin/").content
        assert listed == (status == 200)

    def test_anonymous_visitors_are_sent_to_the_login(self) -> None:
        response = Client().get(URL)
        assert (response.status_code, "/login/" in response["Location"]) == (302, True)

    def test_nothing_can_be_added_or_is_deleted_unasked(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert admin.get(f"{URL}add/").status_code == 403
        response = admin.post(f"{URL}{instance_id}/delete/", {"post": "yes"})
        assert response.headers["Location"].endswith(f"/{instance_id}/do/destroy/")
        response = admin.post(URL, {"action": "delete_selected", "_selected_action": [instance_id], "post": "yes"})
        assert WorkflowInstance.objects.filter(pk=instance_id).exists(), response

    def test_a_rule_of_the_project_hides_single_instances(self, settings: Any, admin: Client) -> None:
        jobs.create_workflow_instance("flow_tree", name="Seen", realm="north")
        jobs.create_workflow_instance("flow_tree", name="Hidden", realm="south")
        hook = f"{__name__}.hides_the_south"
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "AUTHORIZE": hook}
        assert names(admin.get(URL)) == ["Seen"]
