"""What one of many workers does in ``races``: functions that are found by their names in another process.

Each waits for the others before every step, so that all take it at the same moment, and gives its answers in the
order of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs_flow.errors import CannotStart, InstanceExists
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Hold, NewInstance
from jobs_flow.testing.crowd import Meet
from jobs_flow.testing.scenario import GONE, LEASE, LOST, Scenario, failed, ok, task
from jobs_flow.workflows.definition import Task

Ids = Sequence[str]


def block(width: int) -> tuple[Task, Task]:
    """A block of ``n0``, ``n1`` …, and a task after it."""
    return task("a", *(task(f"n{number}") for number in range(width))), task("z")


def create(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[str]:
    said = []
    for instance_id in ids:
        meet()
        try:
            Scenario(storage, task("a"), instance_id=instance_id)
            said.append("created")
        except InstanceExists:
            said.append("exists")
    return said


def create_with_key(
    storage: Storage, number: int, meet: Meet, times: int, realm: str, key: str
) -> list[tuple[str, bool]]:
    """Id of the instance that has the key, and whether it was created here."""
    said = []
    meet()
    for _ in range(times):
        try:
            said.append((Scenario(storage, task("a"), realm=realm, key=key).id, True))
        except InstanceExists as error:
            said.append((str(vars(error)["instance_id"]), False))
    return said


def start(storage: Storage, number: int, meet: Meet, ids: Ids, call: str | None = None) -> list[int | str]:
    said: list[int | str] = []
    for scenario in _scenarios(storage, ids, task("a")):
        meet()
        try:
            said.append(scenario.start(call=call).run)
        except CannotStart:
            said.append("refused")
    return said


def claim(storage: Storage, number: int, meet: Meet, instance_id: str, width: int) -> list[str]:
    scenario = Scenario.there(storage, instance_id, *block(width))
    said = []
    for path in scenario.plan.flow("#.a").children:
        meet()
        said.append(scenario.claim(path, f"token {number}").state)
    return said


def claim_and_complete(storage: Storage, number: int, meet: Meet, ids: Ids, width: int, status: str) -> list[Any]:
    said = []
    for scenario in _scenarios(storage, ids, *block(width)):
        meet()
        path = f"#.a.n{number}"
        done = scenario.do(path, ok(path) if status == "ok" else failed(), f"token {number}")
        said.append((tuple(done.queued), done.finished))
    return said


def report(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[bool]:
    said = []
    for scenario in _scenarios(storage, ids, *block(2)):
        meet()
        outcome = failed() if number % 2 else ok("#.a.n0")
        said.append(scenario.complete("#.a.n0", outcome, None).recorded)
    return said


def write(storage: Storage, number: int, meet: Meet, instance_id: str, width: int, times: int) -> list[int | None]:
    scenario, path, token = Scenario.there(storage, instance_id, *block(width)), f"#.a.n{number}", f"token {number}"
    scenario.claim(path, token)
    meet()
    said = []
    for each in range(times):
        storage.set_progress(instance_id, path, 1, token=token, value=each / times, text=None)
        storage.append_logs(instance_id, path, 1, token=token, lines=[str(each)])
        said.append(storage.add_event(instance_id, {"number": each}))
    return said


def renew_or_complete(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[Any]:
    said: list[Any] = []
    for scenario in _scenarios(storage, ids, task("a"), task("b")):
        meet()
        if number == 0:
            said.append(scenario.complete("#.a", ok("#.a")).recorded)
        else:
            hold = Hold(scenario.id, "#.a", 1)
            said.append([str(storage.renew([hold], holder="token", lease=GONE)[0]) for _ in range(4)])
    return said


def complete_or_lose(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[str]:
    said: list[str] = []
    for scenario in _scenarios(storage, ids, task("a"), task("b")):
        meet()
        if number % 2:
            said.append(scenario.lose("#.a"))
        else:
            said.append("recorded" if scenario.complete("#.a", ok("#.a")).recorded else "refused")
    return said


def release(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[bool]:
    said = []
    for instance_id in ids:
        meet()
        said.append(storage.release(instance_id, "#.a", 1))
    return said


def revert_or_claim(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[bool | str]:
    said: list[bool | str] = []
    for scenario in _scenarios(storage, ids, task("a")):
        meet()
        if number == 0:
            said.append(storage.revert_run(scenario.id, 1, LOST))
        else:
            said.append(scenario.claim("#.a", f"token {number}").state)
    return said


def update(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[bool]:
    said = []
    for scenario in _scenarios(storage, ids, task("a")):
        tree, paths = scenario.plan.describe(), tuple(scenario.plan.nodes)
        fingerprint, name = scenario.plan.fingerprint, f"name {number}"
        new = NewInstance(scenario.id, "scenario", {}, {}, fingerprint, tree, paths, name=name)
        meet()
        said.append(storage.update_instance(new, revision=1) is not None)
    return said


def undo(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[str]:
    said = []
    for instance_id in ids:
        meet()
        said.append(storage.claim_undo(instance_id, 2, token=f"token {number}", worker="w", lease=LEASE).state)
    return said


def delete(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[bool]:
    said = []
    for instance_id in ids:
        meet()
        said.append(storage.delete_instance(instance_id) is not None)
    return said


def delete_or_write(storage: Storage, number: int, meet: Meet, ids: Ids) -> list[Any]:
    said: list[Any] = []
    for instance_id in ids:
        meet()
        if number == 0:
            said.append(storage.delete_instance(instance_id) is not None)
        else:
            said.append(storage.add_event(instance_id, {"number": number}))
    return said


def elect(storage: Storage, number: int, meet: Meet, roles: Sequence[str]) -> list[bool]:
    said = []
    for role in roles:
        meet()
        said.append(storage.elect(role, f"holder {number}", LEASE))
    return said


def _scenarios(storage: Storage, ids: Ids, *tasks: Task) -> list[Scenario]:
    return [Scenario.there(storage, instance_id, *tasks) for instance_id in ids]
