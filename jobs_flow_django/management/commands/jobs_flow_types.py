"""``manage.py jobs_flow_types``: TypeScript declarations of the registered workflows."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow.workflows.typescript import declare
from jobs_flow_django import jobs


class Command(BaseCommand):
    """For ``useJob<"report">(id)`` and ``client.execute<"report">(id, "#.load")``: ``tsc`` then knows the paths."""

    help = (
        "Write a .d.ts file of the registered workflows: their names, the type of their data, their paths, and what "
        "each task gives, from Python annotations."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``[--output FILE [--check]] [--workflow NAME]… [--data NAME=JSON]…``"""
        parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
        parser.add_argument(
            "--workflow", action="append", metavar="NAME", help="only this one; may be given several times"
        )
        parser.add_argument(
            "--data",
            action="append",
            default=[],
            metavar="NAME=JSON",
            help="data that a generator is called with, instead of its example; of several the paths of all count",
        )
        parser.add_argument("--check", action="store_true", help="write nothing; fail when FILE is not up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes what can be described, then fails if something could not be, or with --check if FILE differs."""
        output: Path | None = options["output"]
        if options["check"] and output is None:
            raise CommandError("--check compares a file: say which with --output.")
        try:
            data = _data(options["data"])
            for name in data:
                jobs.registry.generator(name)  # a name that there is not is a mistake
            found = declare(jobs.registry, options["workflow"], data)
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        for name, problem in found.problems.items():
            self.stderr.write(
                f"{problem.message}\n  It is declared without paths. Say what data describes it: "
                f"@workflow({json.dumps(name)}, example=…), or --data '{name}=JSON'."
            )
        if options["check"]:
            assert output is not None
            if not output.is_file() or output.read_text("utf-8") != found.text:
                raise CommandError(f"{output} is not up to date: run jobs_flow_types --output {output}.")
        elif output is None:
            self.stdout.write(found.text, ending="")
        else:
            try:
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_text(found.text, "utf-8")
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        if found.problems:
            raise CommandError(f"Not described: {', '.join(found.problems)}.")


def _data(given: list[str]) -> dict[str, list[Any]]:
    """Values by workflow."""
    found: dict[str, list[Any]] = {}
    for each in given:
        name, equals, text = each.partition("=")
        try:
            value = json.loads(text)
        except ValueError as error:
            raise CommandError(f"--data {each}: what follows the name is not JSON ({error}).") from None
        if not equals:
            raise CommandError(f"--data {each}: it is NAME=JSON.")
        found.setdefault(name, []).append(value)
    return found
