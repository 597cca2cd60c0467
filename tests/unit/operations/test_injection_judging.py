"""Verdicts by kept evidence: what a sound service leaves passes, and each defect in it is told."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from emonk_ops.errors import ExitCode, NotFound, UsageError
from emonk_ops.operations.injection.catalogue import (
    BASICS,
    FAULTS,
    find,
    judged_again,
    options_of,
)
from emonk_ops.operations.injection.model import EXIT_CODES, Verdict, worst
from tests.unit.operations.injection_evidence import (
    CANARY,
    DAY,
    SOUND,
    Evidence,
    drained,
    duplicate,
    killed,
    line,
    missed,
    outage,
    overdue,
    slow,
    strangers,
    tick,
)


@pytest.mark.parametrize("made", SOUND, ids=lambda one: one.__name__)
def test_what_a_sound_service_leaves_passes(made: Callable[[], Evidence]) -> None:
    verdict, observations = judged_again(made())
    assert verdict is Verdict.PASS, observations
    assert len({one.id for one in observations}) == len(observations)


def test_every_injection_has_sound_evidence() -> None:
    assert {made()["injection"] for made in SOUND} == {one.name for one in (*FAULTS, *BASICS)}


def twice(found: Evidence) -> None:
    found["observed"]["lines"] += copy.deepcopy(found["observed"]["lines"])


def early_takeover(found: Evidence) -> None:
    found["observed"]["lines"][1] = line("execution", "01:00", attempt=2)


def never_again(found: Evidence) -> None:
    del found["observed"]["lines"][1:]


def lease_left(found: Evidence) -> None:
    found["observed"]["job"]["lease_until"] = f"{DAY}05:00Z"


def job_lost(found: Evidence) -> None:
    found["jobs_lost"] = ["digest"]


def crashed(found: Evidence) -> None:
    found["recovered"]["starts"] = [{"at": f"{DAY}02:00Z"}]


def cut_off(found: Evidence) -> None:
    found["observed"]["requests"] = [tick("01:00", 0.1, 504)]


def silent(found: Evidence) -> None:
    found["observed"]["errors"] = []


def slot_lost(found: Evidence) -> None:
    found["recovered"]["lines"] = [
        one for one in found["recovered"]["lines"] if not one["slot"].endswith("01:00Z")
    ]


def slot_doubled(found: Evidence) -> None:
    found["recovered"]["lines"].append(line("effect", "03:00", slot="01:00"))


def late(found: Evidence) -> None:
    for one in found["recovered"]["lines"]:
        one["at"] = f"{DAY}09:00+00:00"


def early(found: Evidence) -> None:
    found["observed"]["lines"].append(line("execution", "11:00", job=f"{CANARY}-future"))


def naive_taken(found: Evidence) -> None:
    found["injected"]["naive"] = ""


def held_up(found: Evidence) -> None:
    found["observed"]["requests"][1]["seconds"] = 25.0


def let_in(found: Evidence) -> None:
    found["injected"]["answers"]["no-token"]["status"] = 200


def harmed(found: Evidence) -> None:
    found["guard"] = "real jobs failed during the fault: digest"


@pytest.mark.parametrize(
    ("made", "defect", "failed"),
    [
        (duplicate, twice, "second-skips"),
        (duplicate, job_lost, "no-lost-jobs"),
        (duplicate, harmed, "guard"),
        (killed, early_takeover, "leases-expire"),
        (killed, never_again, "leases-expire"),
        (killed, never_again, "retry-next-tick"),
        (killed, never_again, "one-effect"),
        (killed, twice, "one-effect"),
        (drained, lease_left, "leases-given-back"),
        (drained, never_again, "one-effect"),
        (outage, crashed, "logged-no-crash"),
        (outage, cut_off, "graceful"),
        (outage, silent, "logged-no-crash"),
        (outage, slot_lost, "each-once"),
        (outage, slot_doubled, "each-once"),
        (outage, late, "retry-next-tick"),
        (overdue, early, "never-early"),
        (overdue, naive_taken, "naive-refused"),
        (overdue, never_again, "catch-up"),
        (missed, slot_lost, "each-once"),
        (missed, slot_doubled, "each-once"),
        (missed, late, "catch-up"),
        (slow, twice, "no-second-run"),
        (slow, held_up, "not-held-up"),
        (strangers, let_in, "refused-no-token"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_each_defect_in_the_evidence_fails(
    made: Callable[[], Evidence], defect: Callable[[Evidence], None], failed: str
) -> None:
    found = made()
    defect(found)
    verdict, observations = judged_again(found)
    assert verdict is Verdict.FAIL
    assert failed in [one.id for one in observations if one.verdict is Verdict.FAIL]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"landed": {}}, Verdict.NOT_EXERCISED),
        ({"error": "no answer"}, Verdict.INCONCLUSIVE),
        ({"interrupted": True}, Verdict.INTERRUPTED),
        ({"left": ["the job is PAUSED"], "interrupted": True}, Verdict.RESTORE_FAILED),
        ({"left": ["the job is PAUSED"], "landed": {}}, Verdict.RESTORE_FAILED),
    ],
)
def test_what_outranks_the_observations(change: Evidence, verdict: Verdict) -> None:
    assert judged_again({**duplicate(), **change})[0] is verdict


def test_an_outage_that_was_not_watched_to_its_end_is_inconclusive() -> None:
    found = outage()
    del found["recovered"]
    assert judged_again(found)[0] is Verdict.INCONCLUSIVE


def test_the_worst_of_a_suite_counts_and_none_is_not_a_pass() -> None:
    assert worst([Verdict.PASS, Verdict.NOT_EXERCISED, Verdict.FAIL]) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.NOT_EXERCISED]) is Verdict.NOT_EXERCISED
    assert worst([]) is Verdict.NOT_EXERCISED
    assert EXIT_CODES[Verdict.RESTORE_FAILED] is ExitCode.RESTORE_INCOMPLETE
    assert EXIT_CODES[Verdict.NOT_EXERCISED] is ExitCode.INCONCLUSIVE


def test_names_and_options_that_do_not_exist_are_told() -> None:
    assert options_of(find("restart"), {"mode": ""}) == {"mode": "drain"}
    with pytest.raises(UsageError, match="--mode sideways of restart"):
        options_of(find("restart"), {"mode": "sideways"})
    with pytest.raises(UsageError, match="no option --via"):
        options_of(find("restart"), {"via": "http"})
    with pytest.raises(UsageError, match="no injection fire"):
        find("fire")
    with pytest.raises(NotFound, match="no evidence of an injection"):
        judged_again({"kind": "shadow"})
