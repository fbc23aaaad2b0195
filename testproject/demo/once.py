"""``--once``: one weather report on a real worker, watched in the terminal."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from rich.console import Console

from testproject.demo.children import Children, DemoError
from testproject.demo.follow import State, follow

#: Seconds without any news after which something is wrong.
SILENCE = 120.0


def run(options: Namespace, children: Children, console: Console) -> int:
    """Make the report; 0 when every task is ok or skipped, 1 when one failed."""
    from jobs_flow.errors import JobsFlowError
    from jobs_flow_django import jobs
    from testproject.demo.terminal import view
    from testproject.weather.workflows import NAME

    began = time.monotonic()
    data = _data(options)
    heard = time.monotonic()

    def check() -> None:
        children.check()
        if time.monotonic() - heard > SILENCE:
            raise DemoError(f"Nothing has happened for {SILENCE:.0f} s.")

    try:
        instance_id = jobs.create_workflow_instance(
            NAME, data, name=f"Weather: {data['label']}", realm="demo", owner=_owner()
        )
        jobs.execute_all_tasks(instance_id)
        with view(console, NAME) as shown:
            state = None
            for state, changed in follow(jobs.storage, instance_id, check):
                heard = time.monotonic()
                shown.show(state, changed)
        assert state is not None
        return _conclude(console, instance_id, state, time.monotonic() - began)
    except JobsFlowError as error:
        raise DemoError(f"{error.message} ({error.code})") from error


def _data(options: Namespace) -> dict[str, Any]:
    from django.core.files import File

    from testproject.weather.forms import save_upload
    from testproject.weather.workflows import report_data

    chosen: dict[str, Any] = {"year": options.year, "rain": not options.no_rain}
    if options.csv is None:
        return report_data(**chosen)
    path = Path(options.csv)
    try:
        with path.open("rb") as file:
            saved = save_upload(File(file, name=path.name))
    except OSError as error:
        raise DemoError(f"{path} cannot be read: {error.strerror}.") from None
    return report_data(file=saved, uploaded=True, label=path.stem[:60], **chosen)


def _owner() -> Any:
    from django.contrib.auth import get_user_model

    from testproject.accounts.views import DEMO_USER

    return get_user_model().objects.get(username=DEMO_USER)


def _conclude(console: Console, instance_id: str, state: State, seconds: float) -> int:
    from testproject.weather import report

    counts: dict[str, int] = {}
    for task in state.tasks.values():
        counts[task["status"]] = counts.get(task["status"], 0) + 1
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())

    def line(label: str, text: object) -> None:
        console.print(f"{label:<10} {text}", markup=False, highlight=False, soft_wrap=True)

    console.print()
    line("Instance", instance_id)
    line("Tasks", f"{summary}, in {seconds:.1f} s")
    if state.status != "done" or set(counts) - {"ok", "skipped"}:
        error = state.error or {}
        line("Failed", f"{error.get('path', '#')}: {error.get('message', state.status)}")
        return 1
    line("Report", report.directory(instance_id) / report.PAGE)
    return 0
