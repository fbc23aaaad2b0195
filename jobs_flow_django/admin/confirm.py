"""The page that asks before a command is performed, and the performing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from jobs_flow.errors import JobsFlowError
from jobs_flow.starting import MODES
from jobs_flow_django import jobs
from jobs_flow_django.admin.commands import MODE_LABELS, Command, Options
from jobs_flow_django.admin.formats import printable
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

#: Instances that one confirmation is for.
ROWS = 100
#: Paths that the preview of one instance shows.
PATHS_SHOWN = 200


@dataclass(slots=True)
class Item:
    """One instance on the page."""

    row: WorkflowInstance
    #: Paths that would run, where the command runs any.
    preview: list[str] | None = None
    #: Why it will not work.
    problem: str = ""

    @property
    def shown(self) -> list[str]:
        """The first of them."""
        return [printable(path) for path in (self.preview or [])[:PATHS_SHOWN]]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return max(0, len(self.preview or []) - PATHS_SHOWN)


@dataclass
class Confirmation:
    """A command, the instances that it is for, and what was chosen."""

    command: Command
    rows: Sequence[WorkflowInstance]
    options: Options
    #: Instances that the reader may not do it with: left out.
    refused: int = 0

    @classmethod
    def of(cls, command: Command, rows: Sequence[WorkflowInstance], user: Any, query: QueryDict) -> Confirmation:
        """For those of ``rows`` that ``user`` may do it with."""
        allowed = [row for row in rows if authorize(user, "view", row) and authorize(user, command.action, row)]
        return cls(command, allowed, Options.of(query), len(rows) - len(allowed))

    @property
    def modes(self) -> list[tuple[str, Any, bool]]:
        """Name and label of each mode, and whether it is the chosen one; empty when there is nothing to choose."""
        if "mode" not in self.command.takes or self.options.path:
            return []
        return [(mode, MODE_LABELS[mode], mode == self.options.mode) for mode in MODES]

    @cached_property
    def items(self) -> list[Item]:
        """The instances, each with its preview."""
        return [self._item(row) for row in self.rows]

    def _item(self, row: WorkflowInstance) -> Item:
        if self.command.name != "resume":
            return Item(row)
        try:
            return Item(row, jobs.preview(row.pk, self.options.mode, path=self.options.path or None))
        except JobsFlowError as error:
            return Item(row, problem=printable(error.message))

    @property
    def hopeless(self) -> bool:
        """Whether it will work for none."""
        return all(item.problem for item in self.items)

    @property
    def seen(self) -> str:
        """Stands for what the page shows; a confirmation of something else is asked for again."""
        shown = [(item.row.pk, item.preview, bool(item.problem)) for item in self.items]
        return hashlib.sha256(repr(shown).encode(errors="surrogatepass")).hexdigest()[:16]

    def perform(self) -> list[tuple[WorkflowInstance, str, bool]]:
        """Do it, instance by instance: what became of each, in words, and whether that is well."""
        return [(row, *self._perform(row)) for row in self.rows]

    def _perform(self, row: WorkflowInstance) -> tuple[str, bool]:
        try:
            return self.command.perform(row, self.options), True
        except JobsFlowError as error:
            return printable(error.message), False

    @property
    def note(self) -> str:
        """What the log of the admin says that was done."""
        said = [str(self.command.label)]
        if self.options.path and "path" in self.command.takes:
            said.append(_("task %s") % self.options.path)
        elif self.modes:
            said.append(self.options.mode)
        if self.options.undo and "undo" in self.command.takes:
            said.append(_("with undo"))
        return ", ".join(said)
