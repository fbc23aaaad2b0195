"""The ``asgi.py`` of the README, in a process of its own: names first, the application after."""

from __future__ import annotations

import os
import subprocess
import sys

ASGI = """
from django.core.asgi import get_asgi_application
from jobs_flow_django import setup_websocket
application = setup_websocket(get_asgi_application())
print(sorted(application.application_mapping))
"""


def test_the_import_may_come_before_the_apps_are_ready() -> None:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "testproject.settings"}
    done = subprocess.run([sys.executable, "-c", ASGI], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("['http', 'websocket']\n", 0), done.stderr
