"""The ``JOBS_FLOW`` setting, the system checks, and what happens when Django starts."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.apps import apps
from django.core.checks import run_checks

from jobs_flow import Jobs
from jobs_flow.backends import SyncBackend
from jobs_flow.errors import ConfigurationError
from jobs_flow.storages import MemoryStorage
from jobs_flow_django import checks, facade, jobs, permissions, setup_websocket
from jobs_flow_django.conf import Settings, get_settings, parse
from scripts.environment import ROOT
from testproject.celery import app as testproject_app
from tests.support.processes import Worker
from tests.support.servers import Valkey


class TestSettings:
    def test_everything_has_a_default(self) -> None:
        assert parse({}) == Settings(
            STORAGE="redis://localhost:6379/0",
            BACKEND="celery",
            CELERY_APP=None,
            AUTHORIZE=None,
            WEBSOCKET_PATH="ws/jobs-flow/",
        )

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            pytest.param(
                {"STORGE": "redis://"}, ["'STORGE'", "Did you mean 'STORAGE'?", "WEBSOCKET_PATH"], id="unknown"
            ),
            pytest.param({1: "x"}, ["JOBS_FLOW[1]", "no such key"], id="no text"),
            pytest.param({"STORAGE": None}, ["'STORAGE'", "a string, not NoneType"], id="none"),
            pytest.param({"CELERY_APP": 7}, ["'CELERY_APP'", "a string or None, not int"], id="type"),
            pytest.param({"AUTHORIZE": ""}, ["'AUTHORIZE'", "empty"], id="empty"),
            pytest.param({"BACKEND": "threads"}, ["'BACKEND'", "'threads'", "celery or sync"], id="backend"),
            pytest.param({"SOCKET_WATCHES": "9"}, ["'SOCKET_WATCHES'", "an integer, not str"], id="no integer"),
            pytest.param({"SOCKET_WATCHES": True}, ["'SOCKET_WATCHES'", "an integer, not bool"], id="a flag"),
            pytest.param({"SOCKETS_PER_USER": 0}, ["'SOCKETS_PER_USER'", "at least 1, not 0"], id="zero"),
            pytest.param({"SOCKET_WATCH": 9}, ["Did you mean 'SOCKET_WATCHES'?"], id="like an integer's"),
            pytest.param({"WEBSOCKET_PATH": "/ws/"}, ["'WEBSOCKET_PATH'", "slash"], id="path"),
            pytest.param(["STORAGE"], ["JOBS_FLOW", "must be a dict, not list"], id="no dict"),
        ],
    )
    def test_what_is_wrong_is_named(self, value: Any, words: list[str]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse(value)
        assert all(word in str(caught.value) for word in words), str(caught.value)

    def test_a_storage_url_is_not_shown_in_errors(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse({"STORAGE": "redis://:hunter2@host/0", "BACKEND": "no"})
        assert "hunter2" not in str(caught.value)

    def test_the_limits_are_those_of_the_documentation(self) -> None:
        text = (ROOT / "docs" / "howto" / "access.md").read_text(encoding="utf-8")
        limits = {field.name: field.default for field in fields(Settings) if isinstance(field.default, int)}
        assert limits
        for key, default in limits.items():
            assert f"| `{key}` | {default}" in text

    def test_a_storage_of_ones_own(self, settings: Any) -> None:
        own = MemoryStorage()
        settings.JOBS_FLOW = {"STORAGE": own, "BACKEND": "sync"}
        assert jobs.storage is own

    def test_changed_settings_build_jobs_again(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        first = jobs.storage
        assert get_settings().STORAGE == first.label == "memory://"
        assert isinstance(jobs.backend, SyncBackend)
        assert jobs.storage is first
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "AUTHORIZE": None}
        assert jobs.storage is not first


class TestJobs:
    def test_is_the_configured_facade(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        assert isinstance(jobs, Jobs)
        assert isinstance(jobs, facade.DjangoJobs)

    def test_without_a_celery_app_says_which_setting_is_missing(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://"}
        monkeypatch.setattr(facade, "find_celery_app", lambda: None)
        with pytest.raises(ConfigurationError, match=r"JOBS_FLOW\['CELERY_APP'\].*__init__\.py"):
            jobs.setup()

    @pytest.mark.parametrize("name", ["testproject", "testproject.celery", "testproject.celery:app"])
    def test_finds_the_app_as_celery_does(self, settings: Any, name: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "CELERY_APP": name}
        assert facade.find_celery_app() is testproject_app

    @pytest.mark.parametrize("name", ["nowhere.celery", "testproject.celery:nothing"])
    def test_an_app_that_is_not_there_is_named(self, settings: Any, name: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "CELERY_APP": name}
        with pytest.raises(ConfigurationError, match=name):
            facade.find_celery_app()


async def _says_yes_later(user: Any, action: str, instance: Any) -> bool:
    return True


class TestChecks:
    def found(self, *, deploy: bool = False) -> dict[str, str]:
        checked = run_checks(include_deployment_checks=deploy)
        messages = [m for m in checked if (m.id or "").startswith("jobs_flow_django")]
        return {str(message.id): f"{message.msg} {message.hint}" for message in messages}

    def test_a_well_configured_project_hears_nothing(self) -> None:
        assert self.found() == {}

    def test_wrong_settings(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORGE": "x"}
        assert "STORGE" in self.found()["jobs_flow_django.E001"]

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("redis//localhost", "'redis//localhost' is no storage; there are redis://"),
            ("mysql://user:hunter2@host/x", "'mysql' is no storage"),
            ("redis://localhost:port/0", "the URL cannot be read"),
            ("redis://localhost/0?prefiks=x", "prefiks"),
            ("dynamodb://", "the name of a table"),
        ],
    )
    def test_a_storage_that_is_none(self, settings: Any, url: str, said: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": url}
        found = self.found()["jobs_flow_django.E007"]
        assert "setting JOBS_FLOW['STORAGE'] is wrong: " in found
        assert said in found
        assert "hunter2" not in found

    def test_a_storage_that_is_an_object(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = MemoryStorage()
        monkeypatch.setattr(storage, "close", lambda: pytest.fail("a check has closed the project's storage"))
        settings.JOBS_FLOW = {"STORAGE": storage, "BACKEND": "sync"}
        assert self.found(deploy=True) == {}

    @pytest.mark.parametrize("path", ["nowhere.authorize", "jobs_flow_django.permissions.PERMISSIONS"])
    def test_an_authorize_that_cannot_be_called(self, settings: Any, path: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "AUTHORIZE": path}
        assert path in self.found()["jobs_flow_django.E002"]

    def test_a_celery_app_that_cannot_be_imported(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"CELERY_APP": "nowhere.celery"}
        assert "nowhere.celery" in self.found()["jobs_flow_django.E003"]

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("CELERY_JOBS_FLOW_LEASES", 30, ["CELERY_JOBS_FLOW_LEASES", "no such setting", "CELERY_JOBS_FLOW_LEASE,"]),
            ("CELERY_JOBS_FLOW_LEASE", -1, ["CELERY_JOBS_FLOW_LEASE", "a number of seconds"]),
            ("CELERY_JOBS_FLOW_STORAGE", "redis://elsewhere/0", ["CELERY_JOBS_FLOW_STORAGE", "JOBS_FLOW['STORAGE']"]),
        ],
    )
    def test_a_wrong_setting_of_the_celery_side(self, settings: Any, name: str, value: Any, words: list[str]) -> None:
        setattr(settings, name, value)
        found = self.found()["jobs_flow_django.E004"]
        assert all(word in found for word in words), found

    def test_a_setting_of_the_celery_side_that_counts(self, settings: Any) -> None:
        settings.CELERY_JOBS_FLOW_BODIES = "file:///shared/dir"
        settings.CELERY_JOBS_FLOW_STORAGE = get_settings().STORAGE
        assert self.found() == {}
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "BODIES": "default"}
        assert "JOBS_FLOW['BODIES']" in self.found()["jobs_flow_django.E004"]

    def test_a_development_server_without_sockets_is_told_to_who_starts_it(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["manage.py", "runserver"])
        assert "uvicorn project.asgi:application" in self.found()["jobs_flow_django.W008"]
        monkeypatch.setattr(checks, "get_commands", lambda: {"runserver": "daphne"})
        assert self.found() == {}
        monkeypatch.setattr(checks.apps, "is_installed", lambda name: True)
        settings.ASGI_APPLICATION = None
        assert "setup_websocket" in self.found()["jobs_flow_django.E006"]
        monkeypatch.setattr(sys, "argv", ["manage.py", "check"])
        assert self.found() == {}

    def test_events_over_a_layer_that_reaches_nobody(self, settings: Any) -> None:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
        assert self.found() == {}
        settings.JOBS_FLOW = {"STORAGE": "dynamodb://table?events=channels"}
        assert "reaches no other process" in self.found()["jobs_flow_django.W009"]
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "BACKEND": "sync"}
        assert self.found() == {}

    def test_no_celery_app(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(facade, "find_celery_app", lambda: None)
        assert "CELERY_APP" in self.found()["jobs_flow_django.W001"]

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            (_says_yes_later, "coroutine function"),
            (lambda user, action: True, "too many positional arguments"),
            (lambda user, action, instance, request: True, "missing a required argument: 'request'"),
        ],
    )
    def test_an_authorize_that_never_says_yes(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, rule: Any, said: str
    ) -> None:
        monkeypatch.setattr(permissions, "rule", rule, raising=False)
        path = "jobs_flow_django.permissions.rule"
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "AUTHORIZE": path}
        assert said in self.found()["jobs_flow_django.E002"]

    def test_no_broker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CELERY_BROKER_URL")
        bare = Celery("bare", set_as_current=False, fixups=[])
        monkeypatch.setattr(facade, "find_celery_app", lambda: bare)
        assert "'bare' has no broker" in self.found()["jobs_flow_django.W002"]

    def test_a_storage_that_may_lose_records(self, settings: Any, valkey: Valkey) -> None:
        settings.JOBS_FLOW = {"STORAGE": valkey.url}
        assert self.found(deploy=True) == {}
        with redis.Redis.from_url(valkey.url) as client:
            client.config_set("maxmemory", "1gb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy to noeviction" in self.found(deploy=True)["jobs_flow_django.W006"]
        # An ordinary check connects to nothing.
        assert self.found() == {}
        valkey.kill()
        assert "cannot be reached" in self.found(deploy=True)["jobs_flow_django.W007"]

    def test_a_memory_storage_that_workers_cannot_see(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "CELERY_APP": "testproject"}
        assert "memory://" in self.found()["jobs_flow_django.W003"]

    def test_no_channels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(apps, "is_installed", lambda name: name != "channels")
        assert "channels" in self.found()["jobs_flow_django.W004"]

    def test_nothing_about_celery_where_nothing_runs_on_it(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        monkeypatch.setattr(facade, "find_celery_app", lambda: None)
        assert self.found() == {}


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, whose settings name servers that are not there."""
    nowhere = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "testproject.settings",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "JOBS_FLOW_STORAGE_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "of a test that signs nothing",
    }
    argv = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**nowhere, **env}, check=False)


class TestStarting:
    """In processes of their own: Django starts once a process."""

    def test_connects_to_nothing(self, tmp_path: Path) -> None:
        done = run_python(
            """
            import socket
            def refuse(*args): raise AssertionError(f"connects to {args}")
            socket.socket.connect = socket.socket.connect_ex = refuse
            import django
            django.setup()
            from jobs_flow_django import jobs
            from testproject.celery import app
            assert any(name.startswith("jobs_flow") for name in app.tasks), sorted(app.tasks)
            assert "behaviour_ok" in jobs.registry.names()
            print("started")
            """,
            TESTPROJECT_VAR=str(tmp_path),
        )
        assert done.stdout == "started\n", done.stderr

    def test_without_a_celery_app_starts_and_makes_none(self, tmp_path: Path) -> None:
        done = run_python(
            """
            from django.conf import settings
            settings.configure(
                INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "jobs_flow_django"],
                DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            )
            import django
            django.setup()
            from celery import _state
            assert _state.default_app is None
            from django.core.checks import run_checks
            print([message.id for message in run_checks()])
            """,
            TESTPROJECT_VAR=str(tmp_path),
        )
        assert done.stdout == "['jobs_flow_django.W001', 'jobs_flow_django.W004']\n", done.stderr

    def test_wrong_settings_stop_it_with_the_key(self, tmp_path: Path) -> None:
        done = run_python(
            """
            from testproject import settings
            settings.JOBS_FLOW = {"STORAGE": "redis://h", "BACKND": "sync"}
            import django
            django.setup()
            """,
            TESTPROJECT_VAR=str(tmp_path),
        )
        assert done.returncode == 1
        assert "ConfigurationError: The jobs-flow setting JOBS_FLOW['BACKND'] is wrong" in done.stderr

    @pytest.mark.parametrize("command", ["check", "runserver --noreload 1", "migrate --plan"])
    def test_wrong_settings_are_told_by_commands_without_a_traceback(self, tmp_path: Path, command: str) -> None:
        done = run_python(
            f"""
            import sys
            from testproject import settings
            settings.JOBS_FLOW = {{"STORAGE": "redis://h", "BACKND": "sync"}}
            from django.core.management import execute_from_command_line
            execute_from_command_line(["manage.py", *{command.split()!r}])
            """,
            TESTPROJECT_VAR=str(tmp_path),
        )
        assert done.returncode == 1
        assert "(jobs_flow_django.E001) The jobs-flow setting JOBS_FLOW['BACKND'] is wrong" in done.stderr
        assert "Did you mean 'BACKEND'?" in done.stderr
        assert "Traceback" not in done.stderr

    def test_the_routing_is_imported_whatever_the_settings_are(self, settings: Any) -> None:
        from jobs_flow_django.live import routing

        settings.JOBS_FLOW = {"WEBSOCKET_PATH": "live/"}
        assert str(routing.websocket_urlpatterns[0].pattern) == "live/"
        settings.JOBS_FLOW = {"WEBSOCKET_PATH": 7}
        with pytest.raises(ConfigurationError, match="WEBSOCKET_PATH"):
            routing.websocket_urlpatterns  # noqa: B018
        with pytest.raises(ConfigurationError, match="WEBSOCKET_PATH"):
            setup_websocket(None)

    def test_sockets_without_channels_say_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "channels", None)
        with pytest.raises(ConfigurationError, match=r"pip install jobs-flow\[channels\]"):
            setup_websocket(None)

    def test_importing_jobs_needs_no_settings(self, tmp_path: Path) -> None:
        done = run_python(
            "from jobs_flow_django import jobs; import jobs_flow_django.conf; print('imported')",
            DJANGO_SETTINGS_MODULE="",
        )
        assert done.stdout == "imported\n", done.stderr

    def test_an_asgi_process_gets_the_app_of_the_project(self, tmp_path: Path) -> None:
        done = run_python(
            """
            import threading
            import testproject.asgi
            from testproject.celery import app
            from jobs_flow_django import jobs
            seen = []
            thread = threading.Thread(target=lambda: seen.append(jobs.backend.app))
            thread.start(); thread.join()
            assert seen == [app], seen
            print("same")
            """,
            TESTPROJECT_VAR=str(tmp_path),
        )
        assert done.stdout == "same\n", done.stderr

    @pytest.mark.parametrize("app", ["testproject", "testproject.celery"])
    def test_a_worker_knows_the_tasks_before_it_takes_messages(
        self, start_worker: Callable[..., Worker], app: str
    ) -> None:
        worker = start_worker(app, pool="solo")
        tasks = worker.output().split("[tasks]")[1].split("ready.")[0]
        assert "jobs_flow" in tasks, worker.output()
