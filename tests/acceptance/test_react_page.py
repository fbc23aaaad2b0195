"""What the server does for the React page: a place for it, and jobs of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def in_this_process(settings: Any, tmp_path: Path) -> None:
    """Instances run while the request is answered."""
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def ada(client: Client) -> Any:
    """A user without any permission, logged in."""
    user = get_user_model().objects.create_user("ada", password="pw")
    client.force_login(user)
    return user


class TestPage:
    def test_begins_a_report_and_lists_it(self, client: Client, ada: Any) -> None:
        answer = client.post("/react/reports/", {"year": "2015", "rain": "on"})

        assert answer.status_code == 201
        instance = WorkflowInstance.objects.get(pk=answer.json()["id"])
        assert (instance.owner, str(instance)) == (ada, "Weather: Seattle")
        assert jobs.get_workflow(instance.id)["status"] == "done"
        page = client.get(f"/react/?instance={instance.id}")
        assert f'data-instance="{instance.id}" data-latest="{instance.id}"' in page.text
        assert 'data-files="/reports/INSTANCE/files/"' in page.text

    def test_says_what_is_wrong_with_a_request(self, client: Client, ada: Any) -> None:
        answer = client.post("/react/reports/", {"year": "1066"})

        assert answer.status_code == 422
        assert "1066" in answer.json()["message"]
        assert not WorkflowInstance.objects.exists()

    def test_what_the_address_names_is_text(self, client: Client, ada: Any) -> None:
        page = client.get("/react/", {"instance": '"><script>' + "x" * 100})

        assert "<script>x" not in page.text
        assert "&quot;&gt;&lt;script&gt;" in page.text

    def test_needs_a_login_and_a_token(self, ada: Any) -> None:
        assert Client().get("/react/").status_code == 302
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(ada)
        assert strict.post("/react/reports/", {}).status_code == 403
