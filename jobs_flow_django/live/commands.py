"""What requests that change or ask something do, whichever door they came through.

Each asks whether the caller may, does it, and gives its answer as a message.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from jobs_flow.errors import InstanceNotFound, JobsFlowError, StorageUnavailable
from jobs_flow_django import jobs
from jobs_flow_django.live import access, details, protocol, threads
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.errors import PayloadForbidden
from jobs_flow_django.live.protocol import Message
from jobs_flow_django.live.requests import (
    Cancel,
    Create,
    Destroy,
    ExecuteAll,
    ExecuteTask,
    GetTask,
    GetTaskLogs,
    Pause,
    Reset,
    Resume,
    SetUpdaters,
    Unpause,
)

Command = (
    GetTask
    | GetTaskLogs
    | ExecuteTask
    | ExecuteAll
    | Create
    | Resume
    | Cancel
    | Pause
    | Unpause
    | Reset
    | Destroy
    | SetUpdaters
)


async def perform(request: Command, scope: Scope) -> Message:
    """Do what is asked for on behalf of whom ``scope`` says, and give the answer; raises ``JobsFlowError``."""
    match request:
        case GetTask():
            return await _get_task(request, scope)
        case GetTaskLogs():
            return await _get_task_logs(request, scope)
        case ExecuteTask(_, path, argument):
            return await _start("execute", request, scope, jobs.execute_one_task, path, *argument)
        case ExecuteAll(_, argument):
            return await _start("execute", request, scope, jobs.execute_all_tasks, *argument)
        case Create():
            return await _create(request, scope)
        case Resume(instance_id, mode, path, preview=True):
            await access.permit(scope, "resume", instance_id)
            found = await threads.read(jobs.preview, instance_id, mode, path=path)
            return protocol.ack(request.ref, id=instance_id, paths=found)
        case Resume(_, mode, path):
            return await _start("resume", request, scope, jobs.resume, mode, path=path)
        case Cancel(_, path, undo):
            return await _command("cancel", request, scope, jobs.cancel, path, undo=undo)
        case Pause():
            return await _command("cancel", request, scope, jobs.pause)
        case Unpause():
            return await _command("resume", request, scope, jobs.unpause)
        case Reset(_, path):
            return await _command("execute", request, scope, jobs.reset, path)
        case Destroy():
            return await _command("destroy", request, scope, jobs.destroy_workflow)
        case SetUpdaters(_, path, updaters):
            return await _command("update", request, scope, jobs.set_context_updaters, path, updaters)


async def _get_task(request: GetTask, scope: Scope) -> Message:
    instance_id, path = request.workflow_id, request.task_path
    payload = await access.permit(scope, "view", instance_id, ticket=request.ticket)
    found = await threads.read(details.read_task, instance_id, path, payload=payload)
    return protocol.task_details(instance_id, path, found.task, found.attempts, found.omitted, ref=request.ref)


async def _get_task_logs(request: GetTaskLogs, scope: Scope) -> Message:
    instance_id, path = request.workflow_id, request.task_path
    if not await access.permit(scope, "view", instance_id, ticket=request.ticket):
        raise PayloadForbidden(instance_id=instance_id)
    found = await threads.read(details.read_logs, instance_id, path, request.start, request.limit)
    return protocol.task_logs(instance_id, path, found.start, found.lines, found.total, ref=request.ref)


async def _create(request: Create, scope: Scope) -> Message:
    user = await access.permit_new(scope)
    create = functools.partial(
        jobs.create_workflow_instance,
        request.workflow,
        request.data,
        realm=request.realm,
        name=request.name,
        key=request.key,
        owner=user,
    )
    # With a key it may be somebody else's, which is known, and started, only after that was asked.
    instance_id = await threads.start(create, execute=request.execute and request.key is None)
    if request.key is not None:
        await access.permit_key(scope, instance_id, execute=request.execute)
        if request.execute:
            instance_id = await threads.start(create, execute=True)
    return protocol.ack(request.ref, id=instance_id)


async def _start(
    action: str,
    request: ExecuteTask | ExecuteAll | Resume,
    scope: Scope,
    start: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Message:
    instance_id = request.workflow_id
    await access.permit(scope, action, instance_id)
    try:
        handle = await threads.start(start, instance_id, *args, **kwargs)
    except (InstanceNotFound, StorageUnavailable):
        raise
    except JobsFlowError as error:
        # Whoever watches the instance is told that it was asked for something it could not do.
        with contextlib.suppress(StorageUnavailable):
            await threads.read(jobs.storage.add_event, instance_id, {"error": error.to_wire()})
        raise
    return protocol.ack(request.ref, id=instance_id, run=handle.run)


async def _command(
    action: str,
    request: Cancel | Pause | Unpause | Reset | Destroy | SetUpdaters,
    scope: Scope,
    command: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Message:
    """Do it; ``changed: false`` in the answer says that there was nothing to do."""
    await access.permit(scope, action, request.workflow_id)
    changed = await threads.steer(command, request.workflow_id, *args, **kwargs)
    return protocol.ack(request.ref, id=request.workflow_id, changed=changed is not False)
