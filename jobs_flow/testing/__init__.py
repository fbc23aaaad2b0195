"""The conformance suite: whoever passes it is a storage. It asks for ``pip install jobs-flow[testing]``.

A storage is a class that implements ``jobs_flow.storages.base.Storage``, whose docstrings are the contract. To prove
one, write a test module with a fixture ``storage``, which gives an empty one, and import all of the suite::

    # test_my_storage.py
    import uuid
    from functools import partial

    import pytest

    from jobs_flow.testing.conformance import *  # noqa: F403 - every test class, and the fixtures below
    from my_package import MyStorage

    @pytest.fixture
    def open_again():  # for TestProcesses: opens the storage of this test once more, in another process
        return partial(MyStorage, f"my://localhost/test?prefix={uuid.uuid4().hex}")

    @pytest.fixture
    def storage(open_again):
        storage = open_again()
        yield storage
        storage.close()

The suite is run by pytest itself (``pytest test_my_storage.py``) and needs no plugin. The fixtures it looks for, each
to be replaced by one of that name in the test module:

``storage``
    An empty storage for one test. The only one without a default: an empty one per test is cheapest made by a
    prefix or a table name that was never used.
``open_again``
    A function that can be pickled, takes nothing, and gives the storage of this test in another process. Without it
    the tests of ``TestProcesses`` are skipped, so only a storage that no two processes share is proven without.
``index_lag``
    Seconds, 0.0 unless replaced: how far ``list_ids``, ``due``, ``next_due``, ``lanes`` and ``overdue`` may be behind
    what was written, where they are read from an index that follows. All else has to be right at once.
``examples``
    Random histories, 50 unless replaced, that ``TestDifferential`` plays to the storage and to ``MemoryStorage``.

To leave out what cannot apply, delete the class after the import: ``del TestProcesses``.

Modules: ``conformance`` holds the tests, ``scenario`` what they are written with (also of use for tests of one storage
alone), ``differential`` compares storages with each other, ``crowd`` runs one job in many threads or processes.
"""

from __future__ import annotations

import pytest

# Before any of them is imported: a failed assertion of the suite says what was compared, as in a test module.
pytest.register_assert_rewrite(
    "jobs_flow.testing.conformance",
    "jobs_flow.testing.crowd",
    "jobs_flow.testing.differential",
    "jobs_flow.testing.differential_ops",
    "jobs_flow.testing.scenario",
)
