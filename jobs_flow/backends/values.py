"""Large values on their way in and out of the engine: what a step is given, and what it records.

See ``storages.bodies``. Transitions handle texts that may be references; users' code gets values.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from jobs_flow.backends.patience import patiently
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import InstanceNotFound, StorageUnavailable
from jobs_flow.storages.bodies import Reference, size_of
from jobs_flow.storages.records import Claim, Completed, Flow, Outcome
from jobs_flow.workflows import json


def loaded_claim(runtime: Runtime, instance_id: str, claim: Claim) -> Claim:
    """A claim whose texts are JSON. Raises ``BodyLost``."""
    bodies = runtime.bodies
    return replace(
        claim,
        argument=None if claim.argument is None else bodies.load(instance_id, claim.argument),
        inputs=bodies.inputs(instance_id, claim.inputs),
        updaters={path: bodies.load(instance_id, text) for path, text in claim.updaters.items()},
    )


def as_given(outcome: Outcome, claim: Claim, loaded: Claim) -> Outcome:
    """An outcome that says of its argument what the claim said: one that is kept already is not kept again."""
    if loaded.argument is claim.argument or loaded.argument is None:
        return outcome
    texts = {"argument": outcome.argument, "body": outcome.body}
    same: dict[str, Any] = {name: claim.argument for name, text in texts.items() if text is loaded.argument}
    return replace(outcome, **same)


def keep_outcome(
    runtime: Runtime, instance_id: str, path: str, run: int, outcome: Outcome
) -> tuple[Outcome, list[str]]:
    """An outcome as its record is to hold it, and the new references in it. Raises as ``Bodies.keep`` does."""
    texts = {
        "body": outcome.body,
        "argument": outcome.argument,
        "context": outcome.context,
        "updaters": outcome.updaters,
    }
    spent = size_of(outcome.traceback or "")
    if outcome.error is not None:
        spent += size_of(json.encode(dict(outcome.error)))
    kept, new = runtime.bodies.keep(instance_id, run, path, texts, spent=spent)
    changed: dict[str, Any] = dict(kept)
    return (replace(outcome, **changed) if new else outcome), new


def complete(
    runtime: Runtime,
    instance_id: str,
    path: str,
    run: int,
    *,
    token: str | None,
    outcome: Outcome,
    flow: Flow,
    patience: float = 0.0,
) -> Completed:
    """``Storage.complete`` of an outcome of any size; what was kept for one that is refused is removed.

    ``patience``: seconds for which it goes on trying to reach the storage. Raises as ``Bodies.keep`` does, but
    for an instance that is gone: then it is not recorded.
    """
    try:
        kept, new = patiently(lambda: keep_outcome(runtime, instance_id, path, run, outcome), patience)
    except InstanceNotFound:
        return Completed(False)
    completed = patiently(
        lambda: runtime.storage.complete(instance_id, path, run, token=token, outcome=kept, flow=flow), patience
    )
    # Recorded may be another outcome, of the same token: the main process of a worker knows only how it begins.
    if new and not (completed.recorded and _stands(runtime, instance_id, path, new)):
        runtime.bodies.drop(instance_id, new)
    return completed


def _stands(runtime: Runtime, instance_id: str, path: str, new: Collection[str]) -> bool:
    """Whether the record refers to what was kept for it."""
    try:
        record = runtime.storage.get_task(instance_id, path) or {}
    except StorageUnavailable:
        # Then it is found by the next run.
        return True
    held = [record.get(what) for what in ("body", "argument", "context", "updaters")]
    return any(isinstance(field, Reference) and field.text in new for field in held)
