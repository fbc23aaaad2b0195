"""``celery -A proj flow …``: what an operator does with instances from the command line.

Exit codes: 0 all is well; 1 something is wrong, which the output names; 2 the command was not understood.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from celery.bin.base import handle_preload_options

from jobs_flow.errors import JobsFlowError

#: The facade, which this layer knows by its methods only.
Jobs = Any

MODES = ("failed", "failed_and_downstream", "all")
FORMATS = ("mermaid", "svg")


@click.group(invoke_without_command=False)
@click.pass_context
@handle_preload_options
def flow(ctx: click.Context) -> None:
    """Look after the workflow instances of this application."""


def _command(*params: Callable[[Any], Any], name: str | None = None) -> Callable[[Callable[..., int | None]], Any]:
    """A command of the group: called with the application's ``Jobs``; errors of ours end it with their message."""

    def decorate(function: Callable[..., int | None]) -> Any:
        @click.pass_context
        @wraps(function)
        def run(ctx: click.Context, /, **options: Any) -> None:
            try:
                code = function(_jobs_of(ctx), **options)
            except JobsFlowError as error:
                raise click.ClickException(f"{error.code}: {error.message}") from error
            ctx.exit(code or 0)

        for param in reversed(params):
            run = param(run)
        return flow.command(name or function.__name__)(run)

    return decorate


def _jobs_of(ctx: click.Context) -> Jobs:
    app = ctx.obj.app
    # Modules are imported as a worker would: one of them makes the ``Jobs``, others declare workflows.
    app.loader.import_default_modules()
    backend = vars(app).get("_jobs_flow")
    jobs: Any = getattr(getattr(backend, "runtime", None), "jobs", None)
    if jobs is None:
        raise click.ClickException("this application has no jobs-flow: make a Jobs(app) where it is configured")
    return jobs


_ID = click.argument("instance_id", metavar="ID")


def _path(text: str) -> Callable[[Any], Any]:
    return click.option("--path", default="#", show_default=True, help=text)


@_command()
def doctor(jobs: Jobs) -> int:
    """Check the records of all instances; 1 when a promise was not kept."""
    from jobs_flow.invariants import invariants

    found = invariants(jobs.storage)
    for violation in found:
        click.echo(f"{violation.code} {violation.instance_id} {violation.path}: {violation.message}")
    click.echo(f"{len(found)} found" if found else "all is well")
    return 1 if found else 0


@_command(name="create-table")
def create_table(jobs: Jobs) -> None:
    """Make the DynamoDB table of the storage, or check the one that is there."""
    from jobs_flow.storages.dynamodb.schema import create_table_of

    click.echo(create_table_of(jobs.storage))


@_command()
def recover(jobs: Jobs) -> None:
    """Put right at once what the workers' recovery would find."""
    click.echo(f"{jobs.recover()} seen to")


@_command(
    _ID,
    click.option("--mode", type=click.Choice(MODES), default="failed", show_default=True, help="What is run again."),
    click.option("--from", "path", default=None, metavar="PATH", help="Run again from this task on."),
    click.option("--preview", is_flag=True, help="Only list the tasks that would run."),
)
def resume(jobs: Jobs, instance_id: str, mode: str, path: str | None, preview: bool) -> None:
    """Run again what has not passed; results of the other tasks stay."""
    if preview:
        for found in jobs.preview(instance_id, mode, path=path):
            click.echo(found)
        return
    handle = jobs.resume(instance_id, mode, path=path)
    click.echo(f"{instance_id}: run {handle.run} was started")


@_command(
    _ID,
    _path("Stop this task and all below it; # is the whole run."),
    click.option("--undo", is_flag=True, help="Then call the undo functions of the finished tasks."),
)
def cancel(jobs: Jobs, instance_id: str, path: str, undo: bool) -> None:
    """Stop the present run."""
    asked = jobs.cancel(instance_id, path, undo=undo)
    click.echo(
        f"{instance_id}: it is asked to stop" if asked else f"{instance_id}: there is nothing to stop, or to undo"
    )


@_command(_ID)
def pause(jobs: Jobs, instance_id: str) -> None:
    """Start no further task until unpause."""
    changed = jobs.pause(instance_id)
    click.echo(f"{instance_id}: paused" if changed else f"{instance_id}: it was paused already")


@_command(_ID)
def unpause(jobs: Jobs, instance_id: str) -> None:
    """Go on where pause stopped."""
    changed = jobs.unpause(instance_id)
    click.echo(f"{instance_id}: it goes on" if changed else f"{instance_id}: it was not paused")


@_command(_ID, _path("Reset this task and all below it; # is all of them."))
def reset(jobs: Jobs, instance_id: str, path: str) -> None:
    """Put tasks back to inactive, as if they had not run."""
    jobs.reset(instance_id, path)
    click.echo(f"{instance_id}: reset")


@_command(_ID)
def destroy(jobs: Jobs, instance_id: str) -> int:
    """Remove an instance with its records and logs."""
    if jobs.destroy_workflow(instance_id):
        click.echo(f"{instance_id}: destroyed")
        return 0
    click.echo(f"{instance_id}: there is no such instance", err=True)
    return 1


@_command(
    click.option("--older-than", metavar="AGE", help="Finished so long ago: 30d, 12h, 45m. Else: its workflow's keep."),
    click.option("--workflow", metavar="NAME", help="Only instances of this workflow."),
    click.option("--status", metavar="STATUS,…", help="Only those that are: done, failed, cancelled."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="So many at most."),
    click.option("--orphans", is_flag=True, help="Also rows of instances whose records are gone."),
    click.option("--dry-run", is_flag=True, help="Remove nothing; only count."),
)
def prune(jobs: Jobs, **options: Any) -> None:
    """Remove old finished instances with records, logs and rows.

    What is working, inactive or being undone is never touched.
    """
    status = options.pop("status")
    found = jobs.prune(status=status and [each.strip() for each in status.split(",")], **options)
    for line in found.lines():
        click.echo(line)


@_command()
def changed(jobs: Jobs) -> int:
    """List the instances that are not over and that the present code no longer fits; 1 when there are any."""
    found = jobs.changed_definitions()
    for instance_id, workflow, path in found:
        click.echo(f"{instance_id} {workflow} {path}")
    click.echo(f"{len(found)} would break" if found else "none would break")
    return 1 if found else 0


@_command(_ID, click.option("--json", "as_json", is_flag=True, help="The whole view as JSON."))
def show(jobs: Jobs, instance_id: str, as_json: bool) -> None:
    """Show an instance and the status of each task."""
    view, tasks = jobs.get_workflow(instance_id), jobs.get_tasks_statuses(instance_id)
    if as_json:
        click.echo(json.dumps({**view, "tasks": tasks}, indent=2, default=str))
        return
    click.echo(f"{view['id']}  {view['workflow']}  {view['status']}  {view['progress']:.0%}  run {view['run']}")
    for path, record in tasks.items():
        reason = (record.get("error") or {}).get("code", "")
        click.echo("  ".join(part for part in (f"  {record['status']:<9}", path, reason) if part))


@_command(
    click.argument("subject", metavar="NAME|ID"),
    click.option("--format", type=click.Choice(FORMATS), default="mermaid", show_default=True, help="What to write."),
    click.option("--data", metavar="JSON", help="The data for which the workflow is drawn."),
    click.option("-o", "--output", type=click.File("w", "utf-8", atomic=True), default="-", help="A file."),
)
def draw(jobs: Jobs, subject: str, format: str, data: str | None, output: Any) -> None:  # noqa: A002 - the option's name
    """Draw a workflow, or the run of an instance.

    The name of a workflow comes before an id.
    """
    output.write(jobs.draw_any(subject, data=data, format=format))
