"""A workflow whose shape depends on its data: the words of some files, each counted in parallel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs_flow import Job, Task, workflow


@workflow("word_count")
def word_count(data: Mapping[str, Any]) -> list[Task]:
    """``data`` is ``{"files": [path, …], "top": how many words to report}``."""
    return [
        Task("check", lambda res: check(data["files"]), dest="sizes", on_complete=lambda res: f"{len(res)} files"),
        Task("count", subtasks=[Task(f"file{i}", count(path)) for i, path in enumerate(data["files"], 1)]),
        Task("report", lambda res, job: report(res, job, int(data.get("top", 5)))),
    ]


def check(files: list[str]) -> dict[str, int]:
    """The size of each file; one that cannot be read fails the workflow before anything is counted."""
    return {name: len(Path(name).read_bytes()) for name in files}


def count(path: str) -> Callable[[Any, Job], dict[str, int]]:
    """A task function for one file."""

    def words(res: Any, job: Job) -> dict[str, int]:
        lines = Path(path).read_text("utf-8", "replace").splitlines()
        found: Counter[str] = Counter()
        for number, line in enumerate(lines, 1):
            found.update(word.strip(".,:;!?()[]\"'`").lower() for word in line.split())
            job.progress(number / len(lines))
        job.log(f"{len(lines)} lines, {found.total()} words")
        return {word: times for word, times in found.items() if word.isalpha()}

    return words


def report(res: Any, job: Job, top: int) -> dict[str, Any]:
    """The most frequent words of all files together."""
    total: Counter[str] = Counter()
    for counts in res.values():
        total.update(counts)
    return {"bytes": sum(job.sizes.values()), "words": total.total(), "top": total.most_common(top)}
