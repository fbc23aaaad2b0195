"""Start an instance, print what happens to its tasks while it happens, then the result.

``python run.py [FILE …]``; without files it reads the ones beside it. A worker has to be running, or be started later.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from app import jobs

from jobs_flow.errors import ExecutionFailed, JobsFlowError
from jobs_flow.workflows.states import FINISHED

HERE = Path(__file__).resolve().parent


def main() -> int:
    """0 when the workflow is done, 1 when a task failed, 2 when it could not be started."""
    parser = argparse.ArgumentParser(description="Count the words of some files on Celery workers.")
    parser.add_argument(
        "files", nargs="*", default=[str(HERE / name) for name in ("README.md", "workflows.py", "run.py")]
    )
    options = parser.parse_args()
    files = [str(Path(name).resolve()) for name in options.files]
    try:
        instance_id = jobs.create_workflow_instance("word_count", {"files": files})
        print(f"instance {instance_id}")
        jobs.execute_all_tasks(instance_id)
        watch(instance_id)
        print(json.dumps(jobs.wait(instance_id), indent=2))
    except ExecutionFailed as error:
        print(f"failed: {error.message}", file=sys.stderr)
        return 1
    except JobsFlowError as error:
        print(f"not done: {error.message}", file=sys.stderr)
        return 2
    return 0


def watch(instance_id: str) -> None:
    """Print each change of a status, from the events of the instance, until its run is over."""
    seen, status = 0, ""
    while status not in FINISHED:
        for event in jobs.storage.wait_events(instance_id, seen, timeout=1.0) or []:
            seen = event.seq
            for path, change in event.data.get("tasks", {}).items():
                if "status" in change:
                    print(f"  {change['status']:<9} {path}", flush=True)
            status = event.data.get("instance", {}).get("status", status)


if __name__ == "__main__":
    sys.exit(main())
