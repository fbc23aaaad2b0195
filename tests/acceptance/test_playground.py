"""The test page: what each form does, with and without the page's script, and that it does so to one's own only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import make_ticket
from testproject.playground import sync

pytestmark = pytest.mark.django_db(transaction=True)

FRAGMENT = {"x-fragment": "1"}
BASE = "/playground/"


@pytest.fixture(autouse=True)
def in_this_process(settings: Any) -> None:
    """Instances run while the request is answered, so what the next page shows is certain."""
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    settings.DEMO_PACE = 0


@pytest.fixture
def ada(client: Client) -> Any:
    """A user without any permission, logged in."""
    user = get_user_model().objects.create_user("ada")
    client.force_login(user)
    return user


@pytest.fixture
def eve() -> Client:
    """Another one."""
    other = Client()
    other.force_login(get_user_model().objects.create_user("eve"))
    return other


def create(client: Client, workflow: str = "behaviour_ok", **fields: Any) -> WorkflowInstance:
    """An instance made with the page's form, and run unless ``execute`` is empty."""
    known = set(WorkflowInstance.objects.values_list("id", flat=True))
    sent = {"workflow": workflow, "realm": "play", "execute": "on", **fields}
    answer = client.post(f"{BASE}create/", {key: value for key, value in sent.items() if value})
    assert answer.status_code == 302, answer.content.decode()
    return WorkflowInstance.objects.exclude(pk__in=known).get()


def said(client: Client, address: str, fields: dict[str, str] | None = None, *, status: int = 200) -> str:
    """What the page's script is answered."""
    answer = client.post(f"{BASE}{address}", fields or {}, headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == status, text
    assert "<html" not in text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


class TestCreate:
    def test_an_instance_is_made_run_and_listed(self, client: Client, ada: Any) -> None:
        instance = create(client)
        assert (instance.status, instance.owner, instance.realm) == ("done", ada, f"playground-{ada.pk}-play")
        for address in (BASE, f"{BASE}instances/"):
            text = client.get(address).content.decode()
            assert f'<jobs-flow-progress instance="{instance.id}"' in text
            assert "<option>#.second</option>" in text
            assert '<span class="status">play</span>' in text

    def test_an_ephemeral_one_that_is_not_run_yet(self, client: Client, ada: Any) -> None:
        instance = create(client, ephemeral="on", execute="")
        assert (instance.ephemeral, instance.status) == (True, "inactive")
        assert "ephemeral</span>" in client.get(BASE).content.decode()

    def test_a_key_gives_the_same_instance_again(self, client: Client, ada: Any) -> None:
        instance = create(client, key="may")
        text = said(client, "create/", {"workflow": "behaviour_ok", "realm": "play", "key": "may"})
        assert f"There was one with this key already: {instance.id}" in text
        create(client, key="may", realm="other")
        create(client, "behaviour_context", key="may")

    def test_the_message_of_a_page_without_script(self, client: Client, ada: Any) -> None:
        fields = {"workflow": "weather_report", "realm": "play"}
        text = client.post(f"{BASE}create/", fields, follow=True).content.decode()
        assert "Created: " in text

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"workflow": "nonsense", "realm": "play"}, "Select a valid choice"),
            ({"workflow": "behaviour_ok", "realm": ""}, "This field is required"),
            ({"workflow": "behaviour_ok", "realm": "x" * 61}, "at most 60 characters"),
        ],
    )
    def test_what_is_wrong_is_said_beside_it(
        self, client: Client, ada: Any, fields: dict[str, str], reason: str
    ) -> None:
        assert reason in said(client, "create/", fields, status=422)
        answer = client.post(f"{BASE}create/", fields)
        assert answer.status_code == 422
        assert reason in answer.content.decode()
        assert "<html" in answer.content.decode()
        assert not WorkflowInstance.objects.exists()


class TestRun:
    def test_all_again(self, client: Client, ada: Any) -> None:
        instance = create(client)
        assert f"Run 2 of {instance.short_id} has started." in said(client, f"instances/{instance.id}/run/")

    def test_one_task_with_an_argument(self, client: Client, ada: Any) -> None:
        instance = create(client)
        text = said(client, f"instances/{instance.id}/run-task/", {"path": "#.second", "argument": "100"})
        assert "with #.second alone" in text
        assert jobs.get_result(instance.id) == 122
        said(client, f"instances/{instance.id}/run-task/", {"path": "#.second", "argument": ""})
        assert jobs.get_result(instance.id) == 42

    def test_what_cannot_run_says_why(self, client: Client, ada: Any) -> None:
        instance = create(client, execute="")
        address = f"instances/{instance.id}/run-task/"
        assert "CANNOT_START_TASK" in said(client, address, {"path": "#.second"}, status=409)
        assert "CANNOT_FIND_TASK" in said(client, address, {"path": "#.nothing"}, status=409)
        assert "The argument is not JSON" in said(client, address, {"path": "#.first", "argument": "{"}, status=422)
        answer = client.post(f"{BASE}{address}", {"path": "#.second"})
        assert answer.status_code == 409
        assert "CANNOT_START_TASK" in answer.content.decode()
        assert "<html" in answer.content.decode()

    def test_resume(self, client: Client, ada: Any) -> None:
        instance = create(client, "behaviour_failing")
        assert instance.status == "failed"
        assert "with #.reserve, #.send." in said(client, f"instances/{instance.id}/resume/", {"mode": "failed"})
        everything = said(client, f"instances/{instance.id}/resume/", {"mode": "all"})
        assert "with #.order, #.reserve, #.send." in everything
        assert "INVALID_ARGUMENT" in said(client, f"instances/{instance.id}/resume/", {"mode": "x"}, status=409)
        done = create(client)
        assert "CANNOT_START_TASK" in said(client, f"instances/{done.id}/resume/", status=409)

    def test_cancel(self, client: Client, ada: Any) -> None:
        instance = create(client)
        assert "is at work" in said(client, f"instances/{instance.id}/cancel/")

    def test_delete(self, client: Client, ada: Any) -> None:
        instance = create(client)
        assert "was removed" in said(client, f"instances/{instance.id}/delete/")
        assert not WorkflowInstance.objects.exists()
        assert client.post(f"{BASE}instances/{instance.id}/delete/").status_code == 404


class TestExists:
    def test_by_id_and_by_key(self, client: Client, ada: Any) -> None:
        instance = create(client, key="may")
        by_key = {"workflow": "behaviour_ok", "realm": "play", "key": "may"}
        for asked in ({"id": instance.id}, by_key):
            assert f"It exists: {instance.id}" in said(client, "exists/", asked)
        for asked in ({"id": "nonsense"}, {**by_key, "key": "june"}, {**by_key, "realm": "other"}):
            assert "It does not exist." in said(client, "exists/", asked)
        jobs.destroy_workflow(instance.id)
        assert "It does not exist." in said(client, "exists/", by_key)

    def test_a_row_whose_records_are_gone(self, client: Client, ada: Any) -> None:
        instance = create(client)
        jobs.storage.delete_instance(instance.id)
        assert "It does not exist." in said(client, "exists/", {"id": instance.id})
        assert instance.id not in client.get(f"{BASE}instances/").content.decode()

    def test_nothing_to_look_for(self, client: Client, ada: Any) -> None:
        assert "Give an id, or a workflow, a realm and a key." in said(client, "exists/", status=422)


class TestRealm:
    def test_what_would_go_is_shown_first(self, client: Client, ada: Any) -> None:
        goes, stays = create(client), create(client, realm="other")
        text = said(client, "realm/", {"realm": "play"})
        assert "This would delete 1 instance" in text
        assert goes.short_id in text
        assert stays.short_id not in text
        assert WorkflowInstance.objects.count() == 2
        assert "1 removed from the realm play." in said(client, "realm/delete/", {"realm": "play"})
        assert list(WorkflowInstance.objects.all()) == [stays]
        assert "The realm play is empty" in said(client, "realm/", {"realm": "play"})
        page = client.post(f"{BASE}realm/", {"realm": "other"}).content.decode()
        assert "This would delete 1 instance" in page
        assert "<html" in page

    def test_nobody_deletes_anothers(self, client: Client, ada: Any, eve: Client) -> None:
        instance = create(client)
        for name in ("play", instance.realm, f"../{instance.realm}"):
            assert "is empty" in said(eve, "realm/", {"realm": name})
            assert "0 removed" in said(eve, "realm/delete/", {"realm": name})
        assert WorkflowInstance.objects.get() == instance

    def test_a_realm_in_which_another_has_put_something(self, client: Client, ada: Any, eve: Client) -> None:
        instance = create(client)
        jobs.create_workflow_instance("behaviour_ok", {}, realm=instance.realm)
        assert client.post(f"{BASE}realm/delete/", {"realm": "play"}).status_code == 403
        assert WorkflowInstance.objects.count() == 2


class TestOthers:
    ACTIONS = ("run", "run-task", "resume", "cancel", "delete")

    def test_instances_of_another_are_not_there(self, client: Client, ada: Any, eve: Client) -> None:
        instance = create(client)
        for action in self.ACTIONS:
            for headers in ({}, FRAGMENT):
                answer = eve.post(f"{BASE}instances/{instance.id}/{action}/", {"path": "#.first"}, headers=headers)
                assert answer.status_code == 404
        assert instance.id not in eve.get(BASE).content.decode()
        assert "It does not exist." in said(eve, "exists/", {"id": instance.id})
        assert jobs.get_workflow(instance.id)["run"] == 1

    def test_instances_of_other_pages_are_not_there(self, client: Client, ada: Any) -> None:
        other = jobs.create_workflow_instance("behaviour_ok", {}, realm="demo", owner=ada)
        assert client.post(f"{BASE}instances/{other}/delete/").status_code == 404
        assert other not in client.get(BASE).content.decode()

    def test_every_form_is_guarded_against_other_sites(self, ada: Any) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(ada)
        for address in ("create/", "exists/", "realm/", "realm/delete/", "sync/", "instances/x/run/", "tags/start/"):
            assert strict.post(f"{BASE}{address}").status_code == 403
            assert strict.get(f"{BASE}{address}").status_code == 405


class TestSync:
    def test_the_result_is_shown_and_nothing_stays(self, client: Client, ada: Any) -> None:
        text = said(client, "sync/", {"workflow": "behaviour_parallel"})
        assert "behaviour_parallel done" in text
        assert "#.numbers.middle.square ok" in text
        assert "&quot;total&quot;: 32" in text
        assert not WorkflowInstance.objects.exists()
        page = client.post(f"{BASE}sync/", {"workflow": "behaviour_raising"}).content.decode()
        assert "division by zero" in page
        assert "<html" in page

    def test_it_is_stopped_when_it_takes_too_long(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        monkeypatch.setattr(sync, "LIMIT", 0.05)
        # Four seconds in all, if nobody stopped it.
        settings.DEMO_PACE = 0.5
        outcome = sync.run("behaviour_ok")
        assert outcome.status == "cancelled"
        assert outcome.tasks["#.second"] != "ok"

    def test_one_at_a_time(self, client: Client, ada: Any) -> None:
        with sync._turn:
            assert "SYNC_BUSY" in said(client, "sync/", {"workflow": "behaviour_ok"}, status=409)
        assert "done" in said(client, "sync/", {"workflow": "behaviour_ok"})

    def test_only_what_is_small(self, client: Client, ada: Any) -> None:
        assert "Select a valid choice" in said(client, "sync/", {"workflow": "weather_report"}, status=422)


class TestAway:
    def test_without_a_storage_each_part_says_so(self, client: Client, ada: Any, settings: Any) -> None:
        instance = create(client)
        settings.JOBS_FLOW = {"STORAGE": "redis://:secret@127.0.0.1:1/0", "BACKEND": "sync"}
        assert client.get(BASE).status_code == 200
        create_fields = {"workflow": "behaviour_ok", "realm": "play"}
        for address, fields in (
            ("create/", create_fields),
            ("exists/", {"id": instance.id}),
            ("realm/delete/", {"realm": "play"}),
            (f"instances/{instance.id}/run/", {}),
        ):
            text = said(client, address, fields, status=503)
            assert "STORAGE_UNAVAILABLE" in text
            assert "secret" not in text


class TestDrawing:
    def test_the_run_in_the_page_and_as_files(self, client: Client, ada: Any) -> None:
        instance = create(client, "behaviour_failing")
        address = f"{BASE}instances/{instance.id}/drawing"
        page = client.get(f"{address}/").content.decode()
        assert 'class="jf-node jf-failed"' in page
        assert "<style" not in page
        assert "t_order ==&gt; t_reserve" in page
        for ending, content in (("svg", "<svg "), ("mmd", "flowchart LR")):
            answer = client.get(f"{address}.{ending}")
            assert content in answer.content.decode()
            assert f'{instance.short_id}.{ending}"' in answer.headers["Content-Disposition"]

        assert client.get(f"{address}.png").status_code == 404

    def test_not_anothers(self, client: Client, ada: Any, eve: Client) -> None:
        instance = create(client)
        for ending in ("/", ".svg", ".mmd"):
            assert eve.get(f"{BASE}instances/{instance.id}/drawing{ending}").status_code == 404
        jobs.storage.delete_instance(instance.id)
        for ending in ("/", ".svg"):
            answer = client.get(f"{BASE}instances/{instance.id}/drawing{ending}")
            assert answer.status_code == 404
            assert "INSTANCE_NOT_FOUND" in answer.content.decode()


class TestTags:
    def test_the_tags_beside_their_code(self, client: Client, ada: Any) -> None:
        assert "Start an example" in client.get(f"{BASE}tags/").content.decode()
        text = client.post(f"{BASE}tags/start/", follow=True).content.decode()
        instance = WorkflowInstance.objects.get()
        assert text.count(f'<jobs-flow-progress instance="{instance.id}"') >= 4
        assert text.count(f'<jobs-flow-run instance="{instance.id}"') == 1
        assert "{% jobs_flow_progress instance %}" in text

    def test_the_page_of_a_ticket_needs_no_login(self, client: Client, ada: Any, eve: Client) -> None:
        client.post(f"{BASE}tags/start/")
        instance = WorkflowInstance.objects.get()
        page = client.get(f"{BASE}tags/").content.decode()
        [address] = re.findall(r'href="(/playground/tags/[^"]+/ticket/[^"]+)"', page)
        answer = Client().get(address)
        assert answer.status_code == 200
        assert f'instance="{instance.id}"' in answer.content.decode()
        assert "no-store" in answer.headers["Cache-Control"]
        other = make_ticket("another")
        for ticket, code in ((other, "INVALID_TICKET"), ("x", "INVALID_TICKET")):
            refused = Client().get(f"{BASE}tags/{instance.id}/ticket/{ticket}/")
            assert refused.status_code == 403
            assert code in refused.content.decode()

    def test_nothing_inline(self, client: Client, ada: Any) -> None:
        create(client, key="k", ephemeral="on")
        client.post(f"{BASE}tags/start/")
        for address in (BASE, f"{BASE}tags/"):
            text = client.get(address).content.decode()
            assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", text)
            ids = re.findall(r'\sid="([^"]+)"', text)
            assert len(ids) == len(set(ids))
