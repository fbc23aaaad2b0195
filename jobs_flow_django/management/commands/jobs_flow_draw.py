"""``manage.py jobs_flow_draw <name or id>``: a workflow, or the run of an instance, as a picture."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow.workflows.drawing import FORMATS
from jobs_flow_django import jobs


class Command(BaseCommand):
    """Writes Mermaid text or SVG; it shows no data, results or messages of errors."""

    help = "Draw a workflow, or the run of an instance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``<name or id> [--format …] [--data JSON] [-o FILE]``"""
        parser.add_argument("subject", metavar="NAME|ID", help="the name of a workflow, or the id of an instance")
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="(default: %(default)s)")
        parser.add_argument("--data", metavar="JSON", help="the data for which the workflow is drawn")
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="written instead of the output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the picture."""
        try:
            picture = jobs.draw_any(options["subject"], data=options["data"], format=options["format"])
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        if options["output"] is None:
            self.stdout.write(picture, ending="")
            return
        try:
            options["output"].write_text(picture, "utf-8")
        except OSError as error:
            raise CommandError(f"It cannot be written to {options['output']}: {error.strerror}") from error
