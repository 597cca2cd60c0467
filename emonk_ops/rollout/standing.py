"""Where an environment stands, as its journal tells: a pure fold over the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import shorten

from emonk_ops.rollout import injections, soak
from emonk_ops.rollout.drill_record import Drill, drill_of
from emonk_ops.rollout.model import Attestation
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.runs import Capture, Run, left_half_way

REPAIRS = "diagnose"  # each repair is whole by itself, and the next diagnosis looks anew
REVIEWS = "validate"  # it changes nothing, and goes on with the days that were not read
NO_CAPTURE = 0  # of a hold that no rollback set
LONGEST_REASON = 160  # on a screen; the journal keeps it whole


@dataclass(frozen=True)
class Hold:
    """Nothing goes forward until `resume --reason`."""

    since: datetime
    reason: str
    capture_seq: int
    complete: bool  # the rollback that set it has ended well

    @property
    def by_hand(self) -> bool:
        """Whether no rollback set it."""
        return self.capture_seq == NO_CAPTURE


@dataclass
class Standing:
    """The sum of a journal."""

    runs: dict[str, Run] = field(default_factory=dict)
    captures: list[Capture] = field(default_factory=list)
    passed: dict[int, datetime] = field(default_factory=dict)
    attestations: dict[tuple[int, str], Attestation] = field(default_factory=dict)
    hold: Hold | None = None
    soaks: soak.Soaks = field(default_factory=dict)  # the newest of each stage
    injections: injections.Injections = field(default_factory=injections.Injections)
    drill: Drill | None = None  # the newest, if it went well

    def open_capture(self, stage: int) -> Capture | None:
        """The capture that another run of the stage must keep: nothing has passed on top of it.

        Before a step has begun none is kept: the stage below may have changed since it was read.
        """
        for capture in reversed(self.captures):
            if capture.stage == stage:
                over = capture.settled or capture.rolled_back or capture.idle or not capture.begun
                return None if over else capture
        return None

    def newest_to_roll_back(self) -> Capture | None:
        for capture in reversed(self.captures):
            if capture.can_be_rolled_back:
                return capture
        return None

    def capture_of_hold(self) -> Capture | None:
        """What the rollback undid, or began to undo, that set the hold."""
        seq = self.hold.capture_seq if self.hold else NO_CAPTURE
        return next((one for one in self.captures if one.seq == seq), None)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Runs that stopped half way and whose command has not ended since."""
        return left_half_way(self.runs.values(), apart=(injections.COMMAND, REPAIRS, REVIEWS))


def stand(records: Iterable[Record]) -> Standing:
    """Fold the journal."""
    standing = Standing()
    for _ in _folding(standing, records):
        pass
    return standing


def passed_since(records: Iterable[Record], stage: int) -> datetime | None:
    """Since when the stage has passed without a break; None where it has not."""
    standing, since = Standing(), None
    for record in _folding(standing, records):
        if stage not in standing.passed:
            since = None
        elif since is None:
            since = record.at
    return since


def _folding(standing: Standing, records: Iterable[Record]) -> Iterator[Record]:
    """Each record once it is folded in."""
    for record in records:
        if fold := FOLDS.get(record.kind):
            fold(standing, record)
        yield record


def _run_started(standing: Standing, record: Record) -> None:
    body = record.body
    standing.runs[record.run] = Run(
        id=record.run,
        command=str(body["command"]),
        stage=body.get("stage"),
        started_at=record.at,
        who=record.who,
        title=str(body.get("title", "")),
        reason=str(body.get("reason", "")),
    )


def _run_ended(standing: Standing, record: Record) -> None:
    run = standing.runs.get(record.run)
    if run is None:
        return
    run.ended_at = record.at
    run.status = str(record.body["status"])
    run.exit_code = int(record.body["exit_code"])
    run.summary = str(record.body.get("summary", ""))
    run.changed = bool(record.body.get("changed"))
    if run.command == "stage" and run.stage is not None:
        _stage_ended(standing, run, run.stage, record.at)


def _stage_ended(standing: Standing, run: Run, stage: int, at: datetime) -> None:
    if run.status == "done":
        standing.passed[stage] = at
        mine = [one for one in standing.captures if one.stage == stage and not one.rolled_back]
        again = any(one.settled and not one.void for one in mine)
        for capture in mine:
            if not capture.settled:
                # A stage is undone to what was found before it first passed, not before a rerun.
                unused = capture.run == run.id and not run.changed
                capture.void = capture.void or again or unused
                capture.settled = True
        return
    if run.status == "error" and not run.changed:
        for capture in standing.captures:
            capture.idle = capture.idle or (capture.run == run.id and not capture.begun)
    if run.status == "failed" or (run.changed and run.status != "rolled_back"):
        standing.passed.pop(stage, None)


def _captured(standing: Standing, record: Record) -> None:
    stage = int(record.body["stage"])
    for one in standing.captures:
        # What was read before any step began, and is read anew here, undoes nothing.
        one.void = one.void or (one.stage == stage and not one.settled and not one.begun)
    standing.captures.append(
        Capture(
            seq=record.seq,
            stage=stage,
            run=record.run,
            at=record.at,
            facts=record.body["facts"],
        )
    )


def _step_started(standing: Standing, record: Record) -> None:
    if capture := _capture_of_run(standing, record):
        capture.begun.add(f"{record.run}/{record.body['id']}")


def _step_ended(standing: Standing, record: Record) -> None:
    capture = _capture_of_run(standing, record)
    if capture is None:
        return
    if record.body.get("changed"):
        capture.changed = True
    else:
        capture.begun.discard(f"{record.run}/{record.body['id']}")


def _step_failed(standing: Standing, record: Record) -> None:
    if record.run in standing.runs:
        standing.runs[record.run].broke_off = True
    if record.body.get("untouched") and (capture := _capture_of_run(standing, record)):
        capture.begun.discard(f"{record.run}/{record.body['id']}")


def _capture_of_run(standing: Standing, record: Record) -> Capture | None:
    run = standing.runs.get(record.run)
    if run is None or run.stage is None:
        return None
    mine = [one for one in standing.captures if one.stage == run.stage and not one.rolled_back]
    return mine[-1] if mine else None


def _attested(standing: Standing, record: Record) -> None:
    body = record.body
    if body.get("per_run"):
        return
    check_id = str(body["check"])
    standing.attestations[int(body["stage"]), check_id] = Attestation(
        check_id,
        str(body["word"]),
        str(record.who.get("actor", "")),
        record.at,
        str(body["over"]),
    )


def _rollback_started(standing: Standing, record: Record) -> None:
    standing.hold = Hold(
        since=record.at,
        reason=shorten(
            f"stage {record.body['stage']} was rolled back: {record.body['reason']}",
            LONGEST_REASON,
        ),
        capture_seq=int(record.body["capture_seq"]),
        complete=False,
    )


def _rollback_ended(standing: Standing, record: Record) -> None:
    if not record.body.get("ok"):
        return
    if (run := standing.runs.get(record.run)) is not None:
        run.undid.add(int(record.body["stage"]))
        if not record.body.get("more"):
            # All is undone; what only misses its last record is not unfinished.
            run.status = "done" if run.command.startswith("rollback") else "rolled_back"
            run.ended_at = record.at
    seq = int(record.body["capture_seq"])
    undone = next((capture for capture in standing.captures if capture.seq == seq), None)
    if standing.hold is not None and standing.hold.capture_seq == seq:
        hold = standing.hold
        standing.hold = Hold(hold.since, hold.reason, seq, complete=True)
    if undone is None:
        return
    undone.rolled_back = True
    soak.undone(standing.soaks, undone.stage)
    again = any(
        one.stage == undone.stage and one.settled and not one.void and not one.rolled_back
        for one in standing.captures
    )
    for stage in [number for number in standing.passed if number >= undone.stage]:
        if stage > undone.stage or not again:
            del standing.passed[stage]


def _partly_rolled_back(standing: Standing, record: Record) -> None:
    """The stage's capture stays: it leads further back."""
    stage = int(record.body["stage"])
    soak.undone(standing.soaks, stage)
    for number in [number for number in standing.passed if number >= stage]:
        del standing.passed[number]


def _drilled(standing: Standing, record: Record) -> None:
    standing.drill = drill_of(record)


def _hold_set(standing: Standing, record: Record) -> None:
    reason = shorten(str(record.body["reason"]), LONGEST_REASON)
    standing.hold = Hold(record.at, reason, NO_CAPTURE, complete=True)


def _hold_lifted(standing: Standing, _record: Record) -> None:
    standing.hold = None


FOLDS: dict[str, Callable[[Standing, Record], None]] = {
    "run.started": _run_started,
    "run.ended": _run_ended,
    "captured": _captured,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "step.failed": _step_failed,
    "attested": _attested,
    "rollback.started": _rollback_started,
    "rollback.ended": _rollback_ended,
    "rollback.partial": _partly_rolled_back,
    "drill.step.started": _drilled,
    "drill.ended": _drilled,
    "hold.set": _hold_set,
    "hold.lifted": _hold_lifted,
    "soak.began": lambda standing, record: soak.began(standing.soaks, record),
    "soak.looked": lambda standing, record: soak.looked(standing.soaks, record),
    "soak.extended": lambda standing, record: soak.extended(standing.soaks, record),
    "soak.ended": lambda standing, record: soak.ended(standing.soaks, record),
    **dict.fromkeys(injections.KINDS, lambda standing, record: standing.injections.fold(record)),
}
