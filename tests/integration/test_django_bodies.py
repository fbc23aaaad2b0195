"""Large values under Django: in a storage of the project's, named by the settings, and on the admin's page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.test import Client

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.bodies import Bodies, Reference
from jobs_flow_django import jobs
from jobs_flow_django.conf import parse

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = {"rows": ["ü☂<b>" * 100_000]}
LIST = "/admin/jobs_flow_django/workflowinstance/"


def file_storage(location: Path) -> dict[str, Any]:
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(location)}}


@pytest.fixture(params=["storage", "django"])
def bodies(request: pytest.FixtureRequest, settings: Any, storage_url: str, tmp_path: Path) -> str | None:
    settings.STORAGES = {**settings.STORAGES, "private": file_storage(tmp_path)}
    alias = "private" if request.param == "django" else None
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync", "BODIES": alias}
    return alias


@pytest.fixture
def instance_id(bodies: str | None) -> str:
    jobs.register_workflow(
        "large", [{"name": "make", "task": lambda: VALUE}, {"name": "take", "task": lambda res: [res]}]
    )
    return jobs.create_workflow_instance("large", execute=True)


def login(django_user_model: Any, *codenames: str) -> Client:
    user = django_user_model.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


class TestStored:
    def test_where_the_settings_say_and_gone_with_the_instance(
        self, instance_id: str, bodies: str | None, tmp_path: Path
    ) -> None:
        reference = jobs.storage.get_task(instance_id, "#.make")["body"]
        assert isinstance(reference, Reference)
        assert jobs.wait(instance_id) == [VALUE]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert (reference.at, len(files)) == (("django:private", 2) if bodies else ("storage", 0))
        assert jobs.destroy_workflow(instance_id)
        assert list(tmp_path.glob("jobs_flow_bodies/*")) == []


class TestSettings:
    def test_an_alias_is_text(self) -> None:
        assert parse({}).BODIES is None
        assert parse({"BODIES": "default"}).BODIES == "default"
        with pytest.raises(ConfigurationError, match=r"JOBS_FLOW\['BODIES'\].*a string or None"):
            parse({"BODIES": 3})

    def test_an_unknown_alias(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "BODIES": "nowhere"}
        with pytest.raises(ConfigurationError, match="'nowhere' is no storage of STORAGES"):
            jobs.setup()
        assert "'nowhere'" in self.found()["jobs_flow_django.E005"]

    @pytest.mark.parametrize(("folder", "warned"), [("media", True), ("media/below", True), ("private", False)])
    def test_what_is_served_to_everybody(self, settings: Any, tmp_path: Path, folder: str, warned: bool) -> None:
        settings.MEDIA_ROOT = tmp_path / "media"
        settings.STORAGES = {**settings.STORAGES, "bodies": file_storage(tmp_path / folder)}
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "BODIES": "bodies"}
        assert ("jobs_flow_django.W005" in self.found()) is warned

    def found(self) -> dict[str, str]:
        return {str(message.id): str(message.msg) for message in run_checks()}


class TestAdmin:
    def test_the_page_shows_the_beginning_and_where_to_get_the_rest(
        self, admin_client: Client, instance_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Bodies, "read", lambda *args: pytest.fail("all of it was read for a page"))
        page = admin_client.get(f"{LIST}{instance_id}/change/?task=%23.make")
        html = page.content.decode()
        assert len(html) < 100_000
        assert "&lt;b&gt;" in html
        assert "<b>" not in html
        assert f"the beginning of {len(json.dumps(VALUE, ensure_ascii=False).encode()) / 1024:.1f}" in html
        monkeypatch.undo()
        links = [unescape(link) for link in re.findall(r'href="([^"]*/value/[^"]*)"', html)]
        assert [link.split("/value/")[1] for link in links] == ["body/?task=%23.make"]
        answer = admin_client.get(links[0])
        assert json.loads(answer.content) == VALUE
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="body.json"'

    def test_what_is_there_no_more_is_said(self, admin_client: Client, instance_id: str) -> None:
        jobs.runtime.bodies.drop(instance_id, [jobs.storage.get_task(instance_id, "#.take")["body"].text])
        jobs.runtime.bodies._cache.after_fork()
        assert admin_client.get(f"{LIST}{instance_id}/change/?task=%23.take").status_code == 200
        page = admin_client.get(f"{LIST}{instance_id}/value/body/?task=%23.take", follow=True)
        assert "cannot be given" in page.content.decode()

    @pytest.mark.parametrize(("path", "name"), [("#.nothing", "body"), ("", "body"), ("#.make", "traceback")])
    def test_what_there_is_none_of(self, admin_client: Client, instance_id: str, path: str, name: str) -> None:
        answer = admin_client.get(f"{LIST}{instance_id}/value/{name}/", {"task": path})
        assert answer.status_code == 302

    def test_nobody_gets_it_without_the_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance")
        assert client.get(f"{LIST}{instance_id}/value/body/?task=%23.make").status_code == 403
        assert client.get(f"{LIST}{instance_id}/change/?task=%23.make").content.decode().count("/value/") == 0
        user = django_user_model.objects.get(username="reader")
        user.user_permissions.add(Permission.objects.get(codename="view_payload_workflowinstance"))
        assert client.get(f"{LIST}{instance_id}/value/body/?task=%23.make").status_code == 200
        assert client.post(f"{LIST}{instance_id}/value/body/?task=%23.make").status_code == 405
