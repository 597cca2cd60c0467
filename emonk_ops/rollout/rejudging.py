"""A run's verdicts, reached again from its evidence, beside those in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from emonk_ops.errors import NotFound, Refused, StateDamaged, UsageError
from emonk_ops.operations.evidence.again import judged_again
from emonk_ops.operations.evidence.files import Evidence as EvidenceFile
from emonk_ops.operations.evidence.saving import ACCEPTANCE, SAVED
from emonk_ops.operations.evidence.thresholds import Thresholds
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.rejudged import Line, Rejudged, Said
from emonk_ops.rollout.rejudging_injections import injections_of, is_evidence, judged_injection
from emonk_ops.rollout.verdicts import EXIT_CODE_OF_VERDICT
from emonk_ops.toolbox import Evidence

MOST_LISTED = 5


def runs_with_evidence(records: Iterable[Record]) -> tuple[str, ...]:
    """The newest first."""
    found = dict.fromkeys(one.run for one in records if one.kind == SAVED or is_evidence(one))
    return tuple(reversed(found))


def rejudge(
    records: Sequence[Record], asked: str, evidence: Evidence, thresholds: Thresholds
) -> Iterator[Rejudged]:
    """Each piece of evidence of the run, in the order in which they were saved.

    Raises UsageError for an unknown run and for thresholds that decide nothing in it, Refused for
    one without evidence, StateDamaged for evidence that is missing or other than what was saved.
    """
    run = _run(records, asked)
    own = [one for one in records if one.run == run]
    saved, injected = [one for one in own if one.kind == SAVED], injections_of(records, run)
    if not saved and not injected:
        raise Refused(f"the run {run} kept no evidence", hint=_listed(records))
    if not saved and thresholds != Thresholds():
        raise UsageError(
            f"the run {run} injected faults, and no threshold decides over those",
            hint=f"emonk-ops judge {run}",
        )
    for record in saved:
        now = _judged(record, evidence, thresholds)
        yield Rejudged(record.body, tuple(_lines(_recorded(own, record), now)))
    for record in injected:
        blob = _load(evidence, str(record.body["evidence"]), str(record.body["sha256"]))
        about, recorded, again = judged_injection(record, blob)
        yield Rejudged(about, tuple(_lines(recorded, again)))


def _judged(record: Record, evidence: Evidence, thresholds: Thresholds) -> Mapping[str, Said]:
    found = judged_again(load_saved(evidence, record), str(record.body["purpose"]), thresholds)
    return {
        name: Said(one.verdict.value, one.summary, EXIT_CODE_OF_VERDICT[one.verdict])
        for name, one in found.items()
    }


def _run(records: Sequence[Record], asked: str) -> str:
    """The run of this name, or the only one whose name begins with it."""
    runs = tuple(dict.fromkeys(one.run for one in records))
    begun = [run for run in runs if run.startswith(asked)] if asked else []
    if asked in runs:
        return asked
    if len(begun) == 1:
        return begun[0]
    near = get_close_matches(asked, runs, n=1, cutoff=0.5)
    meant = f"; did you mean {near[0]}?" if near else ""
    meant = f"; there are {len(begun)} that begin so" if begun else meant
    raise UsageError(f"there is no run {asked!r} in the journal{meant}", hint=_listed(records))


def _listed(records: Sequence[Record]) -> str:
    known = runs_with_evidence(records)
    if not known:
        return "No run has kept evidence yet: stages 3 and 4 do, and injections"
    return f"With evidence, the newest first: {', '.join(known[:MOST_LISTED])}"


def load_saved(evidence: Evidence, record: Record) -> EvidenceFile:
    """What an `evidence.saved` names. Raises StateDamaged where it is missing or another."""
    name = str(record.body["name"])
    return EvidenceFile(name, _load(evidence, name, str(record.body["sha256"])))


def _load(evidence: Evidence, name: str, known: str) -> bytes:
    try:
        blob = evidence.load(name)
    except NotFound as error:
        raise StateDamaged(error.message, hint=error.hint) from error
    found = hashlib.sha256(blob).hexdigest()
    if found != known:
        raise StateDamaged(
            f"the evidence {name} is not what was saved: its SHA-256 is {found[:12]}…, and the "
            f"journal says {known[:12]}…",
            hint="Bring the file back from a copy: by another file nothing can be judged again",
        )
    return blob


def _recorded(own: Sequence[Record], saved: Record) -> dict[str, tuple[str, str]]:
    """The verdicts told with the evidence; where a check came of it, what the check said."""
    found = {
        name: (str(told["verdict"]), str(told["summary"]))
        for name, told in saved.body["verdicts"].items()
    }
    if saved.body["purpose"] != ACCEPTANCE:
        return found
    until = next((one.seq for one in own if one.kind == SAVED and one.seq > saved.seq), None)
    for one in own:
        behind = one.seq > saved.seq and (until is None or one.seq < until)
        if behind and one.kind == "check" and one.body["phase"] == "acceptance":
            name = str(one.body["id"])
            if name in found:
                found[name] = (str(one.body["verdict"]), str(one.body["summary"]))
    return found


def _lines(recorded: Mapping[str, tuple[str, str]], now: Mapping[str, Said]) -> Iterator[Line]:
    for name in dict.fromkeys((*recorded, *now)):
        verdict, summary = recorded.get(name, ("", ""))
        yield Line(name, verdict, summary, now.get(name))
