"""``python -m testproject.demo``: everything up together, everything down together."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest
import redis

from testproject.demo import valkey as demo_valkey
from testproject.demo.children import Children
from testproject.demo.shared import share
from tests.acceptance.browser import Browser
from tests.acceptance.demo_process import Demo
from tests.support.eventually import eventually
from tests.support.processes import free_port
from tests.support.servers import Valkey

Start = Callable[..., Demo]


class TestPages:
    def test_the_printed_link_logs_in_once_and_a_report_can_be_made(self, start_demo: Start) -> None:
        demo = start_demo("--port", str(free_port()))
        address = demo.wait_until_up()
        browser = Browser()
        page = browser.get(demo.login_url())
        assert browser.address == f"{address}/"
        assert "Log out" in page

        browser.post(f"{address}/reports/", page, year="2013", rain="on")
        assert "/reports/0" in browser.address
        page = eventually(lambda: found if "Seattle, 2013" in (found := browser.get(browser.address)) else "", 120)
        assert page.count(".png") == 5

        with pytest.raises(HTTPError, match="403"):
            Browser().get(demo.login_url())
        password = demo.wait_for_output(r"password (\S+)\)$").group(1)
        stranger = Browser()
        page = stranger.get(f"{address}/")
        assert "/login/" in stranger.address
        stranger.post(stranger.address, page, username="demo", password=password)
        assert stranger.address == f"{address}/"

    def test_a_busy_port_is_answered_by_the_next_free_one(self, start_demo: Start) -> None:
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
            demo = start_demo("--port", str(port))
            address = demo.wait_until_up()
        assert f"Port {port} is busy; using {address.rpartition(':')[2]}." in demo.output()
        assert "Log in" in Browser().get(f"{address}/login/")

    def test_a_second_demo_takes_another_port_and_the_same_records(self, start_demo: Start) -> None:
        port = str(free_port())
        first = start_demo("--port", port)
        first.wait_until_up()
        second = start_demo("--port", port)
        assert second.wait_until_up() != first.wait_until_up()
        assert second.valkey_port() == first.valkey_port()
        assert second.terminate(60) == 0
        with redis.Redis(port=first.valkey_port()) as client:
            assert client.ping()
        assert first.terminate(60) == 0


class TestValkey:
    def test_a_port_that_somebody_else_has_taken_meanwhile(
        self, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = free_port()
        ports = iter([valkey.port, free])
        monkeypatch.setattr(demo_valkey, "free_port", lambda wanted: next(ports))
        with Children(tmp_path / "log") as children:
            url = demo_valkey.start(children, tmp_path / "valkey")
            assert url == f"redis://127.0.0.1:{free}/0"
            assert demo_valkey.answers(url)
            children.check()


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_all(self, start_demo: Start, number: signal.Signals) -> None:
        demo = start_demo("--port", str(free_port()))
        demo.wait_until_up()
        assert len(demo.processes()) >= 6  # launcher, guardian, Valkey, worker with two children, web server
        demo.send(number)
        assert demo.wait(60) == 0
        assert eventually(lambda: not demo.processes(), 60)

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            pytest.param("valkey", "-server", id="valkey"),
            pytest.param("worker", "celery", id="worker"),
            pytest.param("web", "uvicorn", id="web"),
        ],
    )
    def test_when_one_dies_it_is_named_and_the_others_stop(self, start_demo: Start, name: str, part: str) -> None:
        demo = start_demo("--port", str(free_port()))
        demo.wait_until_up()
        demo.child(part).kill()
        assert demo.wait(60) == 3
        assert f"{name} has ended (signal SIGKILL). The end of" in demo.output()
        assert eventually(lambda: not demo.processes(), 60)

    def test_even_a_killed_launcher_leaves_nothing_behind(self, start_demo: Start) -> None:
        demo = start_demo("--port", str(free_port()))
        demo.wait_until_up()
        guardian = demo.child("guardian")
        guardian.suspend()
        demo.kill()
        # Its Valkey writes still: another demo must not start one on the same files.
        with share(demo.var) as shared:
            assert not shared.first
        guardian.resume()
        assert eventually(lambda: not demo.processes(), 60)
        assert eventually(lambda: self._is_free(demo.var))

    def _is_free(self, directory: Path) -> bool:
        with share(directory) as shared:
            return shared.first


class TestOtherServers:
    def test_the_rows_are_in_mariadb_and_the_messages_on_another_redis(
        self, start_demo: Start, mariadb_url: str, valkey_url: str
    ) -> None:
        demo = start_demo(
            "--port", str(free_port()), env={"DATABASE_URL": mariadb_url, "CELERY_BROKER_URL": valkey_url}
        )
        address = demo.wait_until_up()
        # It comes after the line with the address.
        demo.wait_for_output(r"^Database +mysql \w+ at 127\.0\.0\.1:\d+$")
        browser = Browser()
        page = browser.get(demo.login_url())
        browser.post(f"{address}/behaviours/parallel/start/", page)
        assert "?instance=" in browser.address
        eventually(lambda: "&quot;total&quot;: 32" in browser.get(browser.address), 120)
        # The records are in the demo's own Valkey, which has no queue of the broker.
        with redis.Redis(port=demo.valkey_port(), decode_responses=True) as client:
            instance = browser.address.rpartition("=")[2]
            assert client.exists(f"workflow_{instance}")
            assert not [key for key in client.scan_iter() if "kombu" in key]
