from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import (
    DeployFailed,
    ExitCode,
    GateClosed,
    Interrupted,
    Locked,
    LockLost,
    NotOffered,
    OnHold,
    OpsError,
    PermissionMissing,
    StepFailed,
    Unreachable,
    UsageError,
)
from emonk_ops.rollout.checks import Words
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.rollback import roll_back
from emonk_ops.rollout.runner import Options

if TYPE_CHECKING:
    from .conftest import Rollout


def test_a_stage_that_goes_well_is_recorded_in_the_promised_order(rollout: Rollout) -> None:
    report = rollout.run()
    assert report.exit_code is ExitCode.DONE
    assert report.changed
    assert rollout.world.switches == {"job": "there", "serves": "b"}
    assert rollout.kinds() == [
        "run.started",
        "check",
        "check",
        "captured",
        "step.started",
        "step.ended",
        "step.started",
        "step.ended",
        "check",
        "check",
        "run.ended",
    ]


def test_running_a_passed_stage_again_says_already_so(rollout: Rollout) -> None:
    rollout.run()
    report = rollout.run()
    assert report.exit_code is ExitCode.DONE
    assert not report.changed
    assert "already so" in report.summary


@pytest.mark.parametrize(
    ("phase", "verdict", "code", "rolled_back"),
    [
        ("ready", Verdict.FAIL, ExitCode.CHECK_FAILED, False),
        ("ready", Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE, False),
        ("ready", Verdict.ERROR, ExitCode.CLOUD, False),
        ("ready", Verdict.ASK, ExitCode.REFUSED, False),
        ("ready", Verdict.WAITING, ExitCode.WAITING, False),
        ("liked", Verdict.FAIL, ExitCode.DONE, False),
        ("serving", Verdict.FAIL, ExitCode.ROLLED_BACK, True),
        ("serving", Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE, False),
        ("serving", Verdict.ERROR, ExitCode.CLOUD, False),
        ("serving", Verdict.WAITING, ExitCode.WAITING, False),
        ("ticking", Verdict.FAIL, ExitCode.CHECK_FAILED, False),
        ("ticking", Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE, False),
        ("ticking", Verdict.ERROR, ExitCode.CLOUD, False),
        ("ticking", Verdict.ASK, ExitCode.REFUSED, False),
        ("ticking", Verdict.WAITING, ExitCode.WAITING, False),
    ],
)
def test_the_exit_code_follows_from_phase_and_verdict(
    rollout: Rollout, phase: str, verdict: Verdict, code: ExitCode, rolled_back: bool
) -> None:
    rollout.world.verdicts[phase] = verdict
    report = rollout.run()
    assert report.exit_code is code
    assert (report.rollback is not None) is rolled_back
    changed = {"job": "there", "serves": "b"}
    untouched = {"job": "absent", "serves": "a"}
    stays_untouched = phase == "ready" or rolled_back
    assert rollout.world.switches == (untouched if stays_untouched else changed)


@pytest.mark.parametrize(
    ("step", "error", "code", "serves"),
    [
        ("serve", Unreachable("no answer"), ExitCode.CLOUD, "a"),
        ("serve", DeployFailed("never ready"), ExitCode.ROLLED_BACK, "a"),
        ("serve", StepFailed("reads back otherwise"), ExitCode.ROLLED_BACK, "a"),
        ("serve", ZeroDivisionError("a bug"), ExitCode.ROLLED_BACK, "a"),
        ("job", Unreachable("no answer"), ExitCode.ROLLED_BACK, "a"),
        ("job", StepFailed("reads back otherwise"), ExitCode.ROLLED_BACK, "a"),
    ],
)
def test_a_step_that_breaks_is_rolled_back_unless_nothing_was_changed(
    rollout: Rollout, step: str, error: Exception, code: ExitCode, serves: str
) -> None:
    rollout.world.broken[step] = error
    report = rollout.run()
    assert report.exit_code is code
    assert rollout.world.switches["serves"] == serves
    assert rollout.book().lock.describe() is None


def test_a_rollback_that_breaks_is_the_most_urgent_of_all(rollout: Rollout) -> None:
    rollout.world.broken = {"job": StepFailed("no"), "undo-serves": Unreachable("no answer")}
    report = rollout.run()
    assert report.exit_code is ExitCode.RESTORE_INCOMPLETE
    assert report.rollback is not None
    assert report.rollback.left == ("undo-serves: as before",)
    assert report.hint == "emonk-ops rollback --env qa"
    del rollout.world.broken["undo-serves"]
    with pytest.raises(OnHold, match="not ended"):
        rollout.run()
    again = roll_back(
        rollout.tools,
        rollout.book(),
        lambda _number: rollout.world.stage(),
        rollout.recorder,
        reason="again",
    )
    assert again is not None
    assert again.complete
    assert rollout.world.switches == {"job": "absent", "serves": "a"}


def test_after_an_automatic_rollback_nothing_goes_forward(rollout: Rollout) -> None:
    rollout.world.broken["serve"] = DeployFailed("never ready")
    rollout.run()
    with pytest.raises(OnHold):
        rollout.run()


def test_a_stage_without_a_way_back_keeps_what_it_did_and_says_so(rollout: Rollout) -> None:
    rollout.world.broken["job"] = StepFailed("no")
    report = rollout.run(rollout.world.stage(reversible=False))
    assert report.exit_code is ExitCode.CHECK_FAILED
    assert rollout.world.switches["serves"] == "b"


def test_a_stage_needs_the_one_before_it(rollout: Rollout) -> None:
    with pytest.raises(GateClosed, match="needs stage 0"):
        rollout.run(rollout.world.stage(2))
    assert rollout.kinds() == []


def test_an_earlier_stage_is_refused_once_a_later_one_has_passed(rollout: Rollout) -> None:
    rollout.run()
    later = rollout.world.stage(2, serves="c")
    rollout.run(type(later)(**{**vars(later), "needs": (1,)}))
    with pytest.raises(GateClosed, match="stage 2 has passed"):
        rollout.run()


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it or writes after it."""


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("seq", range(1, 12))
def test_a_run_killed_at_any_record_is_finished_by_the_same_command(
    rollout: Rollout, phase: str, seq: int
) -> None:
    def kill(when: str, number: int) -> None:
        if (when, number) == (phase, seq):
            raise Killed

    from emonk_ops.rollout.runner import run_stage

    with pytest.raises(Killed):
        run_stage(
            rollout.world.stage(), rollout.tools, rollout.book(kill), Options(), rollout.recorder
        )
    report = rollout.run()
    assert report.exit_code is ExitCode.DONE
    assert rollout.world.switches == {"job": "there", "serves": "b"}
    rolled = roll_back(
        rollout.tools,
        rollout.book(),
        lambda _number: rollout.world.stage(),
        rollout.recorder,
        reason="prove the way back",
    )
    assert rolled is not None
    assert rollout.world.switches == {"job": "absent", "serves": "a"}


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("seq", range(1, 20))
def test_a_failing_run_killed_at_any_record_still_finds_its_way_back(
    rollout: Rollout, phase: str, seq: int
) -> None:
    def kill(when: str, number: int) -> None:
        if (when, number) == (phase, seq):
            raise Killed

    from emonk_ops.rollout.runner import run_stage

    rollout.world.verdicts["serving"] = Verdict.FAIL
    with contextlib.suppress(Killed):
        run_stage(
            rollout.world.stage(), rollout.tools, rollout.book(kill), Options(), rollout.recorder
        )
    with contextlib.suppress(OnHold):
        assert rollout.run().exit_code is ExitCode.ROLLED_BACK
    roll_back(
        rollout.tools,
        rollout.book(),
        lambda _number: rollout.world.stage(),
        rollout.recorder,
        reason="go on",
    )
    assert rollout.world.switches == {"job": "absent", "serves": "a"}
    hold = rollout.book().standing().hold
    assert hold is not None
    assert hold.complete


def test_a_cloud_that_cannot_be_reached_twice_changes_nothing_twice(rollout: Rollout) -> None:
    rollout.world.broken["serve"] = Unreachable("no answer")
    assert rollout.run().exit_code is ExitCode.CLOUD
    assert rollout.run().exit_code is ExitCode.CLOUD
    assert len(rollout.book().standing().unfinished) == 1, "half of the step may have been done"
    rollout.world.broken.clear()
    assert rollout.run().exit_code is ExitCode.DONE
    assert not rollout.book().standing().unfinished


def test_a_new_run_of_a_passed_stage_goes_back_to_what_had_passed(rollout: Rollout) -> None:
    rollout.run()
    rollout.world.broken["job"] = DeployFailed("never ready")
    report = rollout.run(rollout.world.stage(serves="c"))
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert rollout.world.switches == {"job": "there", "serves": "b"}
    assert 1 in rollout.book().standing().passed


def test_an_interrupted_run_is_recorded_and_frees_the_lock(rollout: Rollout) -> None:
    stopped = Interrupted("stopped by SIGTERM")
    stopped.exit_code = ExitCode.TERMINATED
    rollout.world.broken["job"] = stopped
    with pytest.raises(Interrupted):
        rollout.run()
    ended = rollout.book().journal.records()[-1]
    assert (ended.kind, ended.body["status"]) == ("run.ended", "interrupted")
    assert ended.body["exit_code"] == 143
    assert rollout.book().lock.describe() is None
    assert [run.title for run in rollout.book().standing().unfinished] == ["stage 1: number 1"]
    rollout.world.broken.clear()
    rollout.run()
    assert not rollout.book().standing().unfinished


def test_two_operators_at_once_the_second_is_refused_by_name(rollout: Rollout) -> None:
    class Meddler:
        refusal: Locked | None = None

        def notice(self, _event: object) -> None:
            if self.refusal is None:
                with pytest.raises(Locked) as caught:
                    rollout.run()
                self.refusal = caught.value

    from emonk_ops.rollout.runner import run_stage

    meddler = Meddler()
    report = run_stage(rollout.world.stage(), rollout.tools, rollout.book(), Options(), meddler)
    assert report.exit_code is ExitCode.DONE
    assert meddler.refusal is not None
    assert "ann" in meddler.refusal.message


def test_a_holder_that_lost_its_lock_writes_and_changes_nothing_more(rollout: Rollout) -> None:
    book = rollout.book()

    def steal(_steps: object) -> None:
        book.lock.release_by_hand()

    with pytest.raises(LockLost):
        rollout.run(options=Options(consent=steal))
    assert rollout.world.switches == {"job": "absent", "serves": "a"}
    assert rollout.kinds()[-1] == "check"


def test_a_word_given_once_holds_for_the_next_run(rollout: Rollout) -> None:
    rollout.world.verdicts["ready"] = Verdict.ASK
    report = rollout.run()
    assert report.exit_code is ExitCode.REFUSED
    assert report.hint == 'emonk-ops stage 1 --env qa --confirm ready="…"'
    given = Options(Words({"ready": "PR 41"}))
    assert rollout.run(options=given).exit_code is ExitCode.DONE
    again = rollout.run()
    assert again.exit_code is ExitCode.DONE
    attested = again.phases["checks"][0].attestation
    assert attested is not None
    assert (attested.word, attested.who) == ("PR 41", "ann")


def test_a_word_given_over_one_error_does_not_silence_another(rollout: Rollout) -> None:
    rollout.world.broken["ready"] = NotOffered("the sandbox has no such API")
    given = Options(Words({"ready": "rehearsal"}))
    assert rollout.run(options=given).exit_code is ExitCode.DONE
    assert rollout.run().exit_code is ExitCode.DONE
    rollout.world.broken["ready"] = PermissionMissing("not allowed")
    assert rollout.run().exit_code is ExitCode.CLOUD


def test_a_failed_check_cannot_be_attested_over(rollout: Rollout) -> None:
    rollout.world.verdicts["ready"] = Verdict.FAIL
    report = rollout.run(options=Options(Words({"ready": "I know better"})))
    assert report.exit_code is ExitCode.CHECK_FAILED


def test_an_unknown_check_to_confirm_names_the_nearest(rollout: Rollout) -> None:
    with pytest.raises(UsageError, match="Did you mean serving"):
        rollout.run(options=Options(Words({"servng": "yes"})))


def test_a_check_that_cannot_be_asked_is_an_error_with_its_hint(rollout: Rollout) -> None:
    rollout.world.broken["ready"] = Unreachable("no answer", hint="emonk-ops sandbox up")
    report = rollout.run()
    finding = report.phases["checks"][0].finding
    assert (finding.verdict, finding.hint) == (Verdict.ERROR, "emonk-ops sandbox up")
    assert report.exit_code is ExitCode.CLOUD


def test_a_refused_consent_changes_nothing(rollout: Rollout) -> None:
    def refuse(_steps: object) -> None:
        error: OpsError = GateClosed("not agreed")
        raise error

    report = rollout.run(options=Options(consent=refuse))
    assert report.exit_code is ExitCode.REFUSED
    assert rollout.world.ran == []
