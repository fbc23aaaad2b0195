"""The pages of the test project: who may see them, and what they answer to good and to bad input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from testproject.accounts.links import is_loopback, links
from testproject.accounts.views import DEMO_USER, demo_login
from testproject.weather import readings
from testproject.weather.workflows import NAME, report_data
from tests.acceptance.browser import Browser
from tests.support.processes import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = "date,precipitation,temp_max,temp_min,wind,weather\n"
FRAGMENT = {"x-fragment": "1"}


@pytest.fixture(autouse=True)
def in_this_process(settings: Any, tmp_path: Path) -> None:
    """Instances run while the request is answered, so what the next page shows is certain."""
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def ada(client: Client) -> Any:
    """A user without any permission, logged in."""
    user = get_user_model().objects.create_user("ada", password="pw")
    client.force_login(user)
    return user


def upload(content: str | bytes, name: str = "mine.csv") -> SimpleUploadedFile:
    """A file as a form sends it."""
    return SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode(), "text/csv")


def make_report(client: Client, **fields: Any) -> Any:
    """Send the form as a browser without script does; the page that it leads to."""
    return client.post("/reports/", {"rain": "on", **fields}, follow=True)


def patterns(found: list[Any], lead: str = "") -> Iterator[tuple[str, str]]:
    """``(address, name)`` of every page of the project itself."""
    for pattern in found:
        address = lead + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            # The requests of programs are answered as such, not with a page.
            if pattern.app_name not in ("admin", "jobs_flow"):
                yield from patterns(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield "/" + re.sub(r"<[^>]+>", "x", address), str(pattern.name)


class TestLogin:
    def test_every_page_needs_one(self, client: Client) -> None:
        pages = dict(patterns(get_resolver().url_patterns))
        assert len(pages) >= 10
        for address, name in pages.items():
            for answer in (client.get(address), client.post(address)):
                if name == "login":
                    assert answer.status_code == 200
                elif name == "by-ticket":
                    # It needs a ticket instead.
                    assert answer.status_code in (403, 405)
                else:
                    assert (answer.status_code, answer.headers.get("Location", "")[:7]) == (302, "/login/"), address

    def test_the_page_of_a_wrong_password_says_so(self, client: Client, ada: Any) -> None:
        client.logout()
        answer = client.post("/login/", {"username": "ada", "password": "wrong"})
        assert "Please enter a correct username and password" in answer.content.decode()

    def test_a_user_sees_nothing_of_anothers(self, client: Client, ada: Any) -> None:
        address = make_report(client).redirect_chain[0][0]
        client.force_login(get_user_model().objects.create_user("eve"))
        for page in (address, f"{address}area/", f"{address}files/report.html", f"{address}files/temperature.png"):
            assert client.get(page).status_code == 404
        assert client.get(f"/behaviours/?instance={address.split('/')[2]}").status_code == 404
        assert "Weather: Seattle" not in client.get("/").content.decode()


class TestReport:
    def test_from_the_form_to_the_report(self, client: Client, ada: Any) -> None:
        answer = make_report(client)
        text = answer.content.decode()
        assert "Seattle, 2012 to 2015" in text
        plots = re.findall(r'<img src="([^"]+)"', text)
        assert len(plots) == 5
        for address in plots:
            plot = client.get(address)
            assert plot.headers["Content-Type"] == "image/png"
            assert plot.content.startswith(b"\x89PNG")
        assert "Weather: Seattle" in client.get("/").content.decode()
        assert WorkflowInstance.objects.get().owner == ada

    def test_the_pages_script_gets_the_area_alone(self, client: Client, ada: Any) -> None:
        answer = client.post("/reports/", {"year": "2014"}, headers=FRAGMENT)
        text = answer.content.decode()
        assert "Seattle, 2014" in text
        assert "<html" not in text
        assert "Longest wet spell" not in text
        assert client.get(answer.headers["X-Address"]).status_code == 200
        latest = client.get("/reports/latest/").content.decode()
        assert answer.headers["X-Address"] in latest
        assert "<html" not in latest

    def test_readings_of_ones_own(self, client: Client, ada: Any) -> None:
        lines = "".join(f"2021-03-{day:02},{day % 3},{day},{day - 9},2.5,sun\n" for day in range(1, 32))
        text = make_report(client, file=upload(HEADER + lines, "our <i>garden.csv")).content.decode()
        assert "our &lt;i&gt;garden, 2021" in text
        assert "31 days, 1 Mar 2021 to 31 Mar 2021" in text
        assert "Hours of the day" not in text
        assert "NOAA" not in text

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param("day,rain\n1,2\n", "no column &#x27;date&#x27;", id="columns"),
            pytest.param(b"PK\x03\x04\xff", "not text in UTF-8", id="binary"),
            pytest.param(HEADER + "2020/01/01,<script>,1,1,1,sun\n", "&lt;script&gt;", id="escaped"),
        ],
    )
    def test_a_file_that_cannot_be_read_fails_and_the_page_says_why(
        self, client: Client, ada: Any, content: str | bytes, reason: str
    ) -> None:
        text = make_report(client, file=upload(content)).content.decode()
        assert "There is no report" in text
        assert reason in text
        assert "<code>#.load</code>" in text
        assert WorkflowInstance.objects.get().status == "failed"

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            pytest.param({"file": (b"x" * 2_000_000, "mine.csv")}, "The file is larger than 1.0", id="size"),
            pytest.param({"file": (b"x", "mine.exe")}, "name ends in .csv", id="name"),
            pytest.param({"file": (b"", "mine.csv")}, "The submitted file is empty", id="empty"),
            pytest.param({"year": "1066"}, "Select a valid choice", id="year"),
        ],
    )
    def test_a_form_that_is_wrong_starts_nothing(
        self, client: Client, ada: Any, fields: dict[str, Any], reason: str
    ) -> None:
        for headers in ({}, FRAGMENT):
            sent = fields | ({"file": upload(*fields["file"])} if "file" in fields else {})
            answer = client.post("/reports/", sent, headers=headers)
            assert answer.status_code == 422
            assert reason in answer.content.decode()
        assert not WorkflowInstance.objects.exists()
        assert not readings.upload_dir().exists()

    def test_a_year_that_the_file_does_not_have(self, client: Client, ada: Any) -> None:
        file = upload(HEADER + "2020/01/01,0,1,1,1,sun\n")
        assert "no readings of 2012; it has 2020-01-01" in make_report(client, file=file, year="2012").content.decode()


class TestFiles:
    NAMES = (
        "nothing.png",
        ".hidden",
        "..",
        "../../../../db.sqlite3",
        "%2e%2e%2fsecret.png",
        "..%2f..%2fuploads%2fx.csv",
        "report.html%00.png",
        "..\\report.html",
    )

    def test_only_the_reports_own_are_served(self, client: Client, ada: Any, tmp_path: Path) -> None:
        address = make_report(client).redirect_chain[0][0]
        (tmp_path / "media" / "reports" / "secret.png").write_bytes(b"secret")
        assert client.get(f"{address}files/report.html").status_code == 200
        for name in self.NAMES:
            assert client.get(f"{address}files/{name}").status_code == 404, name

    @pytest.mark.parametrize(
        ("file", "uploaded"), [("../settings.py", True), ("../../settings.py", False), ("/etc/passwd", True)]
    )
    def test_a_task_opens_no_other_file_whatever_its_data_say(self, file: str, uploaded: bool) -> None:
        instance = jobs.create_workflow_instance(NAME, report_data(file=file, uploaded=uploaded), execute=True)
        found = jobs.get_workflow(instance)
        assert found["status"] == "failed"
        assert found["error"]["path"] == "#.load"
        assert "There is no such file of readings" in found["error"]["message"]


class TestBehaviours:
    @pytest.mark.parametrize(
        ("slug", "shown"),
        [
            ("ok", "42"),
            ("context", "Ada: 3 items at 7.5, 22.5 in all"),
            ("skipped", "2 parcels by bicycle"),
            ("failing", "There are no more umbrellas."),
            ("raising", "division by zero"),
            ("parallel", "&quot;total&quot;: 32"),
        ],
    )
    def test_each_ends_as_its_page_says(self, client: Client, ada: Any, slug: str, shown: str) -> None:
        text = client.post(f"/behaviours/{slug}/start/", follow=True).content.decode()
        assert shown in text
        statuses = re.findall(r'<code>(#\S+)</code></th><td><span class="status status-(\w+)"', text)
        expected = {
            "ok": "ok ok",
            "context": "ok ok ok",
            "skipped": "ok skipped ok",
            "failing": "ok failed inactive",
            "raising": "ok failed inactive",
            "parallel": "ok ok ok ok ok ok ok",
        }
        assert " ".join(status for _, status in statuses) == expected[slug]

    def test_an_unknown_one(self, client: Client, ada: Any) -> None:
        assert client.post("/behaviours/nonsense/start/").status_code == 404
        assert client.get("/behaviours/?instance=nonsense").status_code == 404


class TestRefused:
    def test_without_a_storage_the_page_says_so(self, client: Client, ada: Any, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "redis://:secret@127.0.0.1:1/0", "BACKEND": "sync"}
        for headers in ({}, FRAGMENT):
            answer = client.post("/behaviours/ok/start/", headers=headers)
            assert answer.status_code == 503
            assert "STORAGE_UNAVAILABLE" in answer.content.decode()
            assert "secret" not in answer.content.decode()
        assert not WorkflowInstance.objects.exists()

    def test_records_that_are_gone(self, client: Client, ada: Any, settings: Any) -> None:
        address = make_report(client).redirect_chain[0][0]
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "WEBSOCKET_PATH": "other/"}
        answer = client.get(address)
        assert answer.status_code == 200
        assert "INSTANCE_NOT_FOUND" in answer.content.decode()

    def test_without_a_broker_the_instance_waits_and_the_page_says_so(
        self, ada: Any, settings: Any, start_web: Callable[..., WebServer], storage_url: str
    ) -> None:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # the web server's
        ada.set_password("pw")
        ada.save()
        site = start_web(env={"CELERY_BROKER_URL": "redis://:secret@127.0.0.1:1/0"}).url
        browser = Browser()
        page = browser.get(f"{site}/")
        page = browser.post(browser.address, page, username="ada", password="pw")
        page = browser.post(f"{site}/behaviours/ok/start/", page)
        assert "It was not started" in page
        assert "BROKER_UNAVAILABLE" in page
        assert "secret" not in page
        instance = WorkflowInstance.objects.get()
        assert (instance.status, instance.error["code"]) == ("inactive", "BROKER_UNAVAILABLE")


class TestPolicy:
    def test_no_page_needs_inline_script_or_style(self, client: Client, ada: Any) -> None:
        address = make_report(client).redirect_chain[0][0]
        behaviour = client.post("/behaviours/parallel/start/").headers["Location"]
        for page in ("/", "/behaviours/", "/login/", address, behaviour, f"{address}files/report.html", "/nothing/"):
            answer = client.get(page, follow=True)
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            text = answer.content.decode()
            assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", text), page


class TestDemoLogin:
    @pytest.fixture
    def demo(self, settings: Any) -> Any:
        """The demo's user, and the address that only the demo has."""
        settings.JOBS_FLOW_DEMO = True
        urlpatterns = [*get_resolver().url_patterns, path("demo-login/<str:token>/", demo_login, name="demo-login")]
        settings.ROOT_URLCONF = SimpleNamespaceOfUrls(urlpatterns)
        return get_user_model().objects.create_superuser(DEMO_USER)

    def test_a_link_works_once(self, client: Client, demo: Any) -> None:
        address = f"/demo-login/{links.make_token(demo)}/"
        assert client.head(address).status_code == 200
        answer = client.get(address)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
        assert client.get("/").status_code == 200
        assert client.get(address).status_code == 302  # who is logged in already is sent on
        assert Client().get(address).status_code == 403

    def test_only_from_this_machine(self, demo: Any) -> None:
        address = f"/demo-login/{links.make_token(demo)}/"
        assert Client(REMOTE_ADDR="192.0.2.7").get(address).status_code == 404
        assert Client(REMOTE_ADDR="").get(address).status_code == 404

    def test_other_tokens_and_other_users_are_refused(self, client: Client, demo: Any) -> None:
        other = get_user_model().objects.create_superuser("root")
        for token in ("x", links.make_token(other), links.make_token(demo)[:-1]):
            assert client.get(f"/demo-login/{token}/").status_code == 403
        demo.is_active = False
        demo.save()
        assert client.get(f"/demo-login/{links.make_token(demo)}/").status_code == 403

    def test_it_leads_nowhere_else(self, client: Client, demo: Any) -> None:
        answer = client.get(f"/demo-login/{links.make_token(demo)}/?next=//evil.example/")
        assert answer.headers["Location"] == "/"

    def test_without_the_demo_there_is_no_such_page(self, client: Client) -> None:
        user = get_user_model().objects.create_superuser(DEMO_USER)
        assert client.get(f"/demo-login/{links.make_token(user)}/").status_code == 404

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("127.0.0.1", True),
            ("127.9.9.9", True),
            ("::1", True),
            ("::ffff:127.0.0.1", True),
            ("10.0.0.1", False),
            ("::ffff:10.0.0.1", False),
            ("", False),
            ("localhost", False),
        ],
    )
    def test_what_is_this_machine(self, address: str, expected: bool) -> None:
        assert is_loopback(address) is expected


class SimpleNamespaceOfUrls(SimpleNamespace):
    """A URL configuration made by a test; Django caches by hash."""

    def __init__(self, urlpatterns: list[Any]) -> None:
        super().__init__(urlpatterns=urlpatterns)

    __hash__ = object.__hash__
