"""``python -m testproject.demo --once``: a report in the terminal, on a real worker."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest
import redis

from testproject import environment
from tests.acceptance.demo_process import Demo
from tests.support.eventually import eventually

Start = Callable[..., Demo]

PATHS = [
    "#.load",
    "#.measures",
    *("#.measures.temperature", "#.measures.temperature.curve", "#.measures.temperature.extremes"),
    *("#.measures.rain", "#.measures.rain.amounts", "#.measures.rain.spells"),
    "#.measures.wind",
    *("#.measures.sky", "#.measures.sky.kinds", "#.measures.sky.snow"),
    "#.measures.hours",
    "#.report",
]


def statuses(demo: Demo) -> dict[str, str]:
    """The last status that was printed of each task."""
    return {path: status for status, path in re.findall(r"^  (\w+) +(#\S+)", demo.output(), re.MULTILINE)}


class TestReport:
    def test_every_task_is_ok_and_the_report_is_a_page_with_its_plots(self, start_demo: Start) -> None:
        demo = start_demo("--once")
        assert demo.wait(180) == 0, demo.tail()
        assert statuses(demo) == dict.fromkeys(PATHS, "ok")
        page = Path(demo.wait_for_output(r"^Report +(.+)$").group(1))
        text = page.read_text("utf-8")
        plots = re.findall(r'<img src="([^"]+)"', text)
        assert plots == ["temperature.png", "rain.png", "wind.png", "sky.png", "hours.png"]
        assert all((page.parent / name).read_bytes().startswith(b"\x89PNG") for name in plots)
        assert (page.parent / "report.css").is_file()
        assert "1,461 days, 1 Jan 2012 to 31 Dec 2015" in text
        assert eventually(lambda: not demo.processes(), 60)

    def test_conditions_that_are_false_skip_their_tasks(self, start_demo: Start) -> None:
        demo = start_demo("--once", "--year", "2015", "--no-rain")
        assert demo.wait(180) == 0, demo.tail()
        skipped = {path for path, status in statuses(demo).items() if status == "skipped"}
        rain = {"#.measures.rain", "#.measures.rain.amounts", "#.measures.rain.spells"}
        assert skipped == {*rain, "#.measures.sky.snow"}
        assert "10 ok, 4 skipped" in demo.output()


class TestRecords:
    def test_the_demos_valkey_shows_them_and_keeps_them(self, start_demo: Start) -> None:
        demo = start_demo("--once", "--keep")
        port = demo.valkey_port()
        instance = demo.instance_id()
        with redis.Redis(port=port, decode_responses=True) as client:
            record = client.hgetall(f"workflowTask_{instance}_#.load")
            assert json.loads(record["status"]) == "ok"
            assert len(json.loads(record["body"])) == 1461
            assert json.loads(record["executionTime"]) > 1_700_000_000_000
            assert "1461 readings" in client.lrange(f"logs_{instance}_#.load", 0, -1)
        assert demo.terminate(60) == 0
        assert eventually(lambda: not demo.processes(), 60)

        again = start_demo("--once", "--keep")
        with redis.Redis(port=again.valkey_port(), decode_responses=True) as client:
            assert client.exists(f"workflowTask_{instance}_#.load")

    def test_what_the_environment_names_is_used_instead(
        self, start_demo: Start, valkey_url: str, storage_url: str, mariadb_url: str
    ) -> None:
        env = {"CELERY_BROKER_URL": valkey_url, "JOBS_FLOW_STORAGE_URL": storage_url, "DATABASE_URL": mariadb_url}
        demo = start_demo("--once", env=env)
        assert demo.wait(180) == 0, demo.tail()
        assert not (demo.var / "valkey").exists()
        assert not (demo.var / "db.sqlite3").exists()
        with redis.Redis.from_url(storage_url) as client:
            assert client.exists(f"workflow_{demo.instance_id()}")
        found = environment.database(mariadb_url)
        connection = pymysql.connect(
            host=found["HOST"],
            port=found["PORT"],
            user=found["USER"],
            password=found["PASSWORD"],
            database=found["NAME"],
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT workflow, status FROM jobs_flow_instance WHERE id = %s", [demo.instance_id()])
            assert cursor.fetchall() == (("weather_report", "done"),)


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param(b"day,temperature\n2012/01/01,3\n", "no column 'date'", id="columns"),
            pytest.param(b"\xff\xfe\x00\x01" * 99, "not text in UTF-8", id="binary"),
            pytest.param(b"", "The file is empty.", id="empty"),
        ],
    )
    def test_readings_that_cannot_be_read_fail_with_path_and_reason(
        self, start_demo: Start, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        file = tmp_path / "mine.csv"
        file.write_bytes(content)
        demo = start_demo("--once", "--csv", str(file))
        assert demo.wait(180) == 1, demo.tail()
        failed = demo.wait_for_output(r"^Failed +(\S+): (.+)$")
        assert failed.group(1) == "#.load"
        assert reason in failed.group(2)
        assert statuses(demo) == {"#.load": "failed"}

    def test_a_file_that_is_not_there(self, start_demo: Start, tmp_path: Path) -> None:
        demo = start_demo("--once", "--csv", str(tmp_path / "nothing.csv"))
        assert demo.wait(180) == 3
        assert "nothing.csv cannot be read: No such file" in demo.output()

    def test_a_server_that_does_not_answer_is_named_without_its_password(self, start_demo: Start) -> None:
        demo = start_demo("--once", env={"CELERY_BROKER_URL": "redis://:secret@127.0.0.1:1/0"})
        assert demo.wait(180) == 3
        assert "CELERY_BROKER_URL" in demo.output()
        assert "secret" not in demo.output()

    def test_a_database_that_does_not_answer_is_named_without_its_password(self, start_demo: Start) -> None:
        demo = start_demo("--once", env={"DATABASE_URL": "mysql://root:secret@127.0.0.1:1/none"})
        assert demo.wait(180) == 3
        assert "The database cannot be used" in demo.output()
        assert "secret" not in demo.output()
        assert eventually(lambda: not demo.processes(), 60)


class TestStopping:
    def test_an_interrupt_ends_it_with_everything_it_started(self, start_demo: Start) -> None:
        demo = start_demo("--once", env={"DEMO_PACE": "5"})
        demo.wait_for_output(r"running +#\.load", timeout=180)
        demo.send(signal.SIGINT)
        assert demo.wait(60) == 128 + signal.SIGINT
        assert eventually(lambda: not demo.processes(), 60)

    def test_a_worker_that_dies_is_named_with_the_end_of_its_log(self, start_demo: Start) -> None:
        demo = start_demo("--once", env={"DEMO_PACE": "5"})
        demo.wait_for_output(r"running +#\.load", timeout=180)
        demo.child("celery").kill()
        assert demo.wait(60) == 3
        assert "worker has ended (signal SIGKILL)" in demo.output()
        assert "ready." in demo.output()
        assert eventually(lambda: not demo.processes(), 60)
