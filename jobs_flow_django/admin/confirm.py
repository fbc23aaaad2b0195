"""The page that asks before a command is performed, and the performing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs_flow.errors import JobsFlowError
from jobs_flow.starting import MODES
from jobs_flow.storages.bodies import Reference
from jobs_flow.workflows.states import InstanceStatus, TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.admin.commands import MODE_LABELS, Command, Options, given_json
from jobs_flow_django.admin.formats import VALUE_LIMIT, pretty_json, printable
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
    #: What it would do to what is there.
    warning: str = ""
    #: What was read to ask: another one is asked about again.
    state: object = None
    #: JSON text that can be edited.
    text: str = ""

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
        actions = ("view", *command.actions())
        allowed = [row for row in rows if all(authorize(user, action, row) for action in actions)]
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
        try:
            match self.command.name:
                case "resume":
                    return Item(row, jobs.preview(row.pk, self.options.mode, path=self.options.path or None))
                case "run":
                    return self._run_item(row)
                case "updaters":
                    return self._updaters_item(row)
        except JobsFlowError as error:
            return Item(row, problem=printable(error.message))
        return Item(row)

    def _run_item(self, row: WorkflowInstance) -> Item:
        if path := self.options.path:
            record = jobs.get_task(row.pk, path, whole=False)
            header = jobs.get_workflow(row.pk)
            ended = int(record["status"] == TaskStatus.OK)
        else:
            header = jobs.get_workflow(row.pk)
            ended = header["counts"].get(TaskStatus.OK, 0)
        item = Item(row, state=(header["run"], header["status"], ended))
        if header["status"] == InstanceStatus.WORKING:
            item.problem = _("A run is going on.")
        elif ended:
            item.warning = ngettext(
                "%d task has a result already: it is executed again, with all its effects.",
                "%d tasks have results already: they are executed again, with all their effects.",
                ended,
            )
            item.warning %= ended
        return item

    def _updaters_item(self, row: WorkflowInstance) -> Item:
        record = jobs.get_task(row.pk, self.options.path, whole=False)
        recorded = record["updaters"]
        if record["status"] != TaskStatus.OK:
            return Item(row, problem=_("Only a task that is ok has updaters to edit."))
        if isinstance(recorded, Reference) or len(text := pretty_json(recorded or [])) > VALUE_LIMIT:
            return Item(row, problem=_("They are too long to be edited here."))
        return Item(row, state=text, text=text if self.options.updaters is None else printable(self.options.updaters))

    @property
    def title(self) -> Any:
        """What it is called, of an instance or of a task."""
        return (self._on_task and self.command.task_label) or self.command.label

    @property
    def meaning(self) -> Any:
        """What will happen."""
        return (self._on_task and self.command.task_meaning) or self.command.meaning

    @property
    def _on_task(self) -> bool:
        return bool(self.options.path and "path" in self.command.takes)

    @cached_property
    def mistake(self) -> str:
        """What is wrong with what the reader has typed."""
        given = {"argument": self.options.argument or None, "updaters": self.options.updaters}
        for name, text in given.items():
            if name not in self.command.takes or text is None:
                continue
            try:
                given_json(name, text)
            except JobsFlowError as error:
                return printable(error.message)
        return ""

    @property
    def hopeless(self) -> bool:
        """Whether it will work for none."""
        return all(item.problem for item in self.items)

    @property
    def seen(self) -> str:
        """Stands for what the page shows; a confirmation of something else is asked for again."""
        shown = [(item.row.pk, item.preview, bool(item.problem), item.state) for item in self.items]
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
        if self._on_task:
            said[0] = _("Run") if self.command.name == "run" else said[0]
            said.append(_("task %s") % self.options.path)
        elif self.modes:
            said.append(self.options.mode)
        if self.options.undo and "undo" in self.command.takes:
            said.append(_("with undo"))
        if self.options.argument and "argument" in self.command.takes:
            # Not which: it may be what not everybody may read.
            said.append(_("with an argument"))
        return ", ".join(said)
