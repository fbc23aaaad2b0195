"""Settings out of the environment."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from scripts.environment import ROOT
from testproject import environment


class TestDatabaseUrl:
    def test_sqlite_for_several_processes(self) -> None:
        found = environment.database("sqlite:////srv/my%20data/db.sqlite3")
        assert found["NAME"] == "/srv/my data/db.sqlite3"
        assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]
        assert environment.database("sqlite:///db.sqlite3")["NAME"] == "db.sqlite3"

    def test_mysql(self) -> None:
        found = environment.database("mysql://us%40er:p%2Fw@db.example:3307/flows?unix_socket=/run/my.sock")
        assert found["ENGINE"] == "django.db.backends.mysql"
        assert (found["USER"], found["PASSWORD"]) == ("us@er", "p/w")
        assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example", 3307, "flows")
        assert found["OPTIONS"] == {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "unix_socket": "/run/my.sock",
        }

    @pytest.mark.parametrize(
        "url",
        [
            "postgres://u:secret@h/d",
            "mysql://u:secret@h",
            "mysql://u:secret@h:port/d",
            "sqlite://",
            "sqlite://host/db",
            "nonsense",
        ],
    )
    def test_what_is_wrong_names_the_variable_and_no_password(self, url: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as caught:
            environment.database(url)
        assert "secret" not in str(caught.value)


class TestOthers:
    def test_flags_and_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("X", "Yes")
        assert environment.flag("X", False) is True
        monkeypatch.setenv("X", "perhaps")
        with pytest.raises(ImproperlyConfigured, match="X is 'perhaps'"):
            environment.flag("X", False)
        with pytest.raises(ImproperlyConfigured, match="number of seconds"):
            environment.number("X", 1)
        monkeypatch.setenv("X", "nan")
        with pytest.raises(ImproperlyConfigured, match="number of seconds"):
            environment.number("X", 1)
        monkeypatch.delenv("X")
        assert environment.flag("X", True) is True
        assert environment.number("X", 0.5) == 0.5

    def test_a_secret_key_is_made_once_for_its_owner_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SECRET_KEY", raising=False)
        first = environment.secret_key(tmp_path / "var")
        assert len(first) >= 50
        assert environment.secret_key(tmp_path / "var") == first
        assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret-key"]
        assert stat.S_IMODE((tmp_path / "var" / "secret-key").stat().st_mode) == 0o600
        monkeypatch.setenv("SECRET_KEY", "given")
        assert environment.secret_key(tmp_path / "var") == "given"

    def test_everything_has_a_default(self, tmp_path: Path) -> None:
        code = (
            "from testproject import settings as s; d = s.DATABASES['default'];"
            "print(s.CELERY_BROKER_URL, s.JOBS_FLOW['STORAGE'], s.CHANNEL_LAYERS['default']['CONFIG']['hosts'][0],"
            "d['NAME'], s.DEBUG, s.JOBS_FLOW_DEMO)"
        )
        names = ("PATH", "HOME", "PYTHONPATH")
        bare = {name: os.environ[name] for name in names if name in os.environ} | {"TESTPROJECT_VAR": str(tmp_path)}
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=True).stdout.split()
        redis = "redis://127.0.0.1:6379/0"
        assert found == [redis, redis, redis, str(tmp_path / "db.sqlite3"), "False", "False"]
        bare["JOBS_FLOW_STORAGE_URL"] = "redis://records:1/3"
        found = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=True).stdout.split()
        assert found[:3] == [redis, "redis://records:1/3", "redis://records:1/3"]
