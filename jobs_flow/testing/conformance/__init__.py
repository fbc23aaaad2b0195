"""All tests of the suite, and its fixtures, to be imported with a star; see ``jobs_flow.testing``."""

from __future__ import annotations

from jobs_flow.testing.conformance.answers import TestCompleteAgain, TestCompleteRefused, TestReports
from jobs_flow.testing.conformance.attempts import TestAttempts, TestReset
from jobs_flow.testing.conformance.bodies import TestBodies
from jobs_flow.testing.conformance.claims import TestClaimGranted, TestClaimRefusals
from jobs_flow.testing.conformance.complete import TestBlocks, TestOutcome, TestSequence
from jobs_flow.testing.conformance.consistency import TestConsistency
from jobs_flow.testing.conformance.control import TestCancel, TestPause, TestUpdaters
from jobs_flow.testing.conformance.differential import TestDifferential
from jobs_flow.testing.conformance.ends import TestPartialRuns, TestStatusAtTheEnd
from jobs_flow.testing.conformance.events import TestEventContents, TestEventStream, TestEventWait
from jobs_flow.testing.conformance.failures import TestFailureInABlock, TestSkippedSubtrees
from jobs_flow.testing.conformance.fixtures import _allowed_lag, examples, index_lag, open_again, processes, storage
from jobs_flow.testing.conformance.instances import (
    TestCreate,
    TestHeaders,
    TestList,
    TestNewId,
    TestStorageItself,
    TestUnknown,
)
from jobs_flow.testing.conformance.keep import TestDeleteRested, TestKeep
from jobs_flow.testing.conformance.lanes import (
    TestLaneNames,
    TestLanes,
    TestOverdueAgain,
    TestOverduePaused,
    TestWatermark,
)
from jobs_flow.testing.conformance.leases import TestGrip, TestLease, TestLose, TestRenew
from jobs_flow.testing.conformance.lives import TestDelete, TestKeys, TestNamedStarts, TestUpdate
from jobs_flow.testing.conformance.races import TestProcesses, TestThreads
from jobs_flow.testing.conformance.references import TestReferences
from jobs_flow.testing.conformance.retry import TestRetryAgain, TestRetryAtOnce, TestRetryLater, TestRetryRefused
from jobs_flow.testing.conformance.running import TestLogs, TestProgress
from jobs_flow.testing.conformance.runs import TestRevert, TestRevision, TestStart
from jobs_flow.testing.conformance.stages import TestStages, TestWideStages
from jobs_flow.testing.conformance.subscription import TestSubscription
from jobs_flow.testing.conformance.timers import TestDue, TestElect, TestEphemeral, TestNotices, TestWaiting
from jobs_flow.testing.conformance.undo import TestUndoBegin, TestUndoClaim, TestUndoEnd
from jobs_flow.testing.conformance.values import TestFidelity, TestFigures, TestInputs, TestViews

__all__ = [
    "TestAttempts",
    "TestBlocks",
    "TestBodies",
    "TestCancel",
    "TestClaimGranted",
    "TestClaimRefusals",
    "TestCompleteAgain",
    "TestCompleteRefused",
    "TestConsistency",
    "TestCreate",
    "TestDelete",
    "TestDeleteRested",
    "TestDifferential",
    "TestDue",
    "TestElect",
    "TestEphemeral",
    "TestEventContents",
    "TestEventStream",
    "TestEventWait",
    "TestFailureInABlock",
    "TestFidelity",
    "TestFigures",
    "TestGrip",
    "TestHeaders",
    "TestInputs",
    "TestKeep",
    "TestKeys",
    "TestLaneNames",
    "TestLanes",
    "TestLease",
    "TestList",
    "TestLogs",
    "TestLose",
    "TestNamedStarts",
    "TestNewId",
    "TestNotices",
    "TestOutcome",
    "TestOverdueAgain",
    "TestOverduePaused",
    "TestPartialRuns",
    "TestPause",
    "TestProcesses",
    "TestProgress",
    "TestReferences",
    "TestRenew",
    "TestReports",
    "TestReset",
    "TestRetryAgain",
    "TestRetryAtOnce",
    "TestRetryLater",
    "TestRetryRefused",
    "TestRevert",
    "TestRevision",
    "TestSequence",
    "TestSkippedSubtrees",
    "TestStages",
    "TestStart",
    "TestStatusAtTheEnd",
    "TestStorageItself",
    "TestSubscription",
    "TestThreads",
    "TestUndoBegin",
    "TestUndoClaim",
    "TestUndoEnd",
    "TestUnknown",
    "TestUpdate",
    "TestUpdaters",
    "TestViews",
    "TestWaiting",
    "TestWatermark",
    "TestWideStages",
    "_allowed_lag",
    "examples",
    "index_lag",
    "open_again",
    "processes",
    "storage",
]
