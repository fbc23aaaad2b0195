"""Runs and tasks in Redis: one script a transition (``Storage``, "runs and tasks")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs_flow.errors import CannotStart, InstanceBusy, InstanceNotFound
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.records import (
    Claim,
    Completed,
    Flow,
    Grip,
    Hold,
    Instance,
    JsonText,
    Loss,
    Outcome,
    RunSelection,
    Started,
)
from jobs_flow.storages.redis_scripts import RedisScripts


class RedisRuns(RedisScripts):
    """The part of ``RedisStorage`` that starts runs and moves tasks through them."""

    def start_run(
        self,
        instance_id: str,
        selection: RunSelection,
        *,
        expect_run: int | None = None,
        revision: int | None = None,
        call: str | None = None,
    ) -> Started:
        """Begin a run."""
        joins = [part for path, count in selection.joins.items() for part in (path, str(count))]
        reply = self._run(
            "start",
            instance_id,
            call or new_token(),
            "" if expect_run is None else str(expect_run),
            "" if revision is None else str(revision),
            codec.optional(selection.keep),
            selection.argument or "",
            codec.counted(selection.paths),
            codec.counted(selection.heads),
            codec.waiting(selection.lane, selection.waiting, selection.heads),
            codec.counted(joins),
            codec.counted(codec.stages(selection)),
        )
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=instance_id)
            case "working":
                raise CannotStart(instance_id=instance_id, path="#", reason="a run is going on")
            case "run":
                reason = f"run {expect_run} was asked for, the next one is {int(reply[1])}"
                raise CannotStart(instance_id=instance_id, path="#", reason=reason)
            case "revision":
                raise CannotStart(instance_id=instance_id, path="#", reason="it was updated meanwhile; try again")
        return Started(int(reply[1]), int(reply[2]))

    def revert_run(self, instance_id: str, run: int, error: Mapping[str, object]) -> bool:
        """Undo the start of a run of which nothing was published or claimed."""
        return bool(self._run("revert", instance_id, new_token(), str(run), codec.encode(error)))

    def claim(
        self,
        instance_id: str,
        path: str,
        run: int,
        *,
        token: str,
        worker: str,
        revision: int | None,
        inputs: Sequence[str],
        lease: int,
        timeout: int | None = None,
    ) -> Claim:
        """Take a queued task."""
        reply = self._run(
            "claim",
            instance_id,
            codec.key(path),
            str(run),
            token,
            worker,
            codec.optional(revision),
            str(lease),
            codec.optional(timeout),
            codec.counted_keys(inputs),
        )
        return codec.claim(instance_id, reply)

    def renew(self, holds: Sequence[Hold], *, holder: str, lease: int) -> list[Grip]:
        """Extend the leases of running tasks whose tokens begin with ``holder``."""
        if not holds:
            return []
        parts = self._parted([hold.instance_id for hold in holds])
        asked = {prefix: _renewal([holds[place] for place in parts[prefix]], holder, lease) for prefix in parts}
        return [Grip(answer.decode()) for answer in self._run_parted("renew", asked, parts)]

    def grip(self, instance_id: str, path: str, run: int, *, token: str) -> Grip:
        """Whether ``token`` still holds the task."""
        return Grip(self._run("grip", instance_id, codec.key(path), str(run), token).decode())

    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        """Record an outcome once, count it down in its blocks, and queue what follows."""
        if token == "":
            # To the script that would be no token, which may end what nobody holds.
            return Completed(recorded=False)
        joins = [part for block, tolerated in flow.joins for part in (block, "1" if tolerated else "")]
        following = [] if flow.following is None else [flow.following]
        reply = self._run(
            "complete",
            instance_id,
            new_token(),
            codec.key(path),
            str(run),
            token or "",
            *codec.outcome_fields(outcome),
            codec.counted(outcome.logs),
            codec.counted(flow.children),
            codec.counted(flow.subtree),
            codec.counted(joins),
            flow.following or "",
            codec.waiting(flow.lane, flow.waiting, [*flow.children, *following]),
        )
        return codec.completed(reply)

    def retry(self, instance_id: str, path: str, run: int, *, token: str, outcome: Outcome, delay: int) -> Completed:
        """Give up this attempt and queue the task again."""
        reply = self._run(
            "retry",
            instance_id,
            codec.key(path),
            str(run),
            token,
            str(max(0, delay)),
            codec.encode(outcome.error) if outcome.error is not None else "",
            codec.counted(outcome.logs),
        )
        return codec.completed(reply)

    def release(self, instance_id: str, path: str, run: int) -> bool:
        """End the delay of a retry."""
        return bool(self._run("release", instance_id, new_token(), codec.key(path), str(run)))

    def lose(
        self, instance_id: str, path: str, run: int, *, token: str, max_losses: int, error: Mapping[str, object]
    ) -> Loss:
        """Take a running task from a worker that is gone."""
        reply = self._run(
            "lose", instance_id, new_token(), codec.key(path), str(run), token, str(max_losses), codec.encode(error)
        )
        return Loss(reply.decode())

    def cancel(self, instance_id: str, path: str, *, undo: bool = False) -> Instance | None:
        """Ask the present run to stop, at ``path`` and below."""
        reply = self._run("cancel", instance_id, new_token(), path, "1" if undo else "")
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=instance_id)
            case "idle":
                return None
        return codec.instance(instance_id, reply[1])

    def pause(self, instance_id: str, paused: bool) -> Instance:
        """Have claims answered ``paused``, or no longer."""
        reply = self._run("pause", instance_id, "true" if paused else "false")
        if reply is None:
            raise InstanceNotFound(instance_id=instance_id)
        return codec.instance(instance_id, reply)

    def reset(self, instance_id: str, paths: Sequence[str]) -> Instance:
        """Put records back to ``inactive`` as a run does, keeping their attempts."""
        reply = self._run("reset", instance_id, new_token(), codec.counted_keys(dict.fromkeys(paths)))
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=instance_id)
            case "working":
                raise InstanceBusy(instance_id=instance_id, action="resetting tasks")
        return codec.instance(instance_id, reply[1])

    def set_updaters(self, instance_id: str, path: str, updaters: JsonText) -> bool:
        """Replace the recorded updaters of an ok task."""
        some = "1" if codec.decode(updaters) else ""
        return bool(self._run("updaters", instance_id, new_token(), codec.key(path), updaters, some))

    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> Grip:
        """Record progress of a running task."""
        parts = ["" if part is None else codec.encode(part) for part in (value, text)]
        return self._write(instance_id, path, run, token, *parts, codec.counted(()))

    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> Grip:
        """Append log lines of a running task."""
        return self._write(instance_id, path, run, token, "", "", codec.counted(lines))

    def _write(self, instance_id: str, path: str, run: int, token: str, *what: str | list[str]) -> Grip:
        return Grip(self._run("write", instance_id, new_token(), codec.key(path), str(run), token, *what).decode())

    def add_event(self, instance_id: str, data: Mapping[str, object]) -> int | None:
        """Append an event that changes no record."""
        reply = self._run("event", instance_id, new_token(), codec.encode(data))
        return int(reply) if reply is not None else None


def _renewal(holds: Sequence[Hold], holder: str, lease: int) -> list[str | list[str | bytes]]:
    """The arguments of ``renew.lua``."""
    named = [part for hold in holds for part in (hold.instance_id, hold.path, str(hold.run))]
    return [holder, str(lease), codec.counted_keys(named)]
