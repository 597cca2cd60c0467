"""The review after 30 days: reads the days it does not know yet, and judges what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from emonk_ops.errors import ExitCode, GateClosed, StateDamaged
from emonk_ops.operations.acceptance.appendix import complaints_between
from emonk_ops.operations.analysis.log_file import LogFile, with_logs
from emonk_ops.operations.evidence.files import Writer
from emonk_ops.operations.evidence.keeping import REVIEWED
from emonk_ops.operations.evidence.saving import REVIEW, save_evidence
from emonk_ops.operations.review.days import Window, read_day, window_of
from emonk_ops.operations.review.digest import VERSION, DayDigest, digest_of_dict
from emonk_ops.operations.review.findings import (
    ATTESTED,
    COVERED,
    CRITERIA,
    Reviewed,
    asked,
    measured_findings,
)
from emonk_ops.operations.server_time import server_now
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.checks import Checklist, Words, require_known
from emonk_ops.rollout.events import Noted, Observer, PhaseBegan
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import Check, CheckResult, Facts, Finding
from emonk_ops.rollout.precedents import CUTOVER
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.report import check_data
from emonk_ops.rollout.review_sources import Sources
from emonk_ops.rollout.standing import REVIEWS, passed_since
from emonk_ops.rollout.verdicts import exit_code_of
from emonk_ops.toolbox import Ports, Toolbox

PHASE = "review"
DAY_READ = "review.day"


@dataclass
class ReviewReport:
    """What came of it. `read` are the days that this run read, of all that it judged."""

    env: str
    window: Window
    read: int = 0
    results: list[CheckResult] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.DONE

    @property
    def open(self) -> list[CheckResult]:
        return [one for one in self.results if not one.holds]

    def to_data(self) -> dict[str, Any]:
        window = self.window
        return {
            "since": window.since.isoformat(),
            "until": window.until.isoformat(),
            "full_at": window.full_at.isoformat(),
            "days": window.days,
            "days_read": self.read,
            "checks": [check_data(one) for one in self.results],
        }


def review(
    tools: Toolbox,
    book: Book,
    *,
    days: int,
    since: datetime | None,
    words: Words,
    observer: Observer,
    logs: LogFile | None = None,
) -> ReviewReport:
    """Judge the newest `days` whole days since stage 4 passed, or since `since`.

    Days are read from `logs`, where there are some, else from Cloud Logging. Raises GateClosed
    where neither instant is known, UsageError, Unreachable and Interrupted.
    """
    lines = [(name, told) for name, told, _ in CRITERIA] + list(ATTESTED)
    require_known(words, [Check(name, told) for name, told in lines], "the review")
    book.require_reachable()
    records = book.journal.records()
    stable_since = since or passed_since(records, CUTOVER)
    if stable_since is None:
        name = tools.env.name
        raise GateClosed(
            f"stage {CUTOVER} has not passed in {name}, so there is nothing to review",
            hint=f"emonk-ops stage {CUTOVER} --env {name}, or --since for a service cut over "
            "without this journal",
        )
    window = window_of(stable_since, days, server_now(tools))
    report = ReviewReport(tools.env.name, window)
    with book.free_run(Heading(REVIEWS, f"validate {days} days")) as run:
        ports: Ports = GuardedPorts(tools.ports, run.require_lock)
        ports = ports if logs is None else with_logs(ports, logs)

        def note(kind: str, body: Facts) -> None:
            run.write(kind, body)

        tools = replace(tools, ports=ports, run_id=run.id, note=note)
        digests = _all_days(tools, records, report, run, observer)
        found = Sources(tools, records, window, digests)
        checklist = Checklist(
            stage=None,
            tools=tools,
            run=run,
            standing=book.standing(),
            words=words,
            observer=observer,
        )
        checks = _checks(found)
        if logs is None:
            checks += (_complaints(window),)
        report.results = checklist.go_through(PHASE, checks)
        report.exit_code = exit_code_of(report.results)
        _keep(tools, found)
        run.end(report.exit_code, sentence(report))
    return report


def known_days(records: Iterable[Record]) -> dict[datetime, DayDigest]:
    """The days that were read before, by their beginning; the newest reading of each counts.

    Raises StateDamaged for one that cannot be read.
    """
    known = {}
    for one in records:
        if one.kind == DAY_READ and one.body.get("version") == VERSION:
            try:
                digest = digest_of_dict(one.body["digest"])
            except (KeyError, TypeError, ValueError) as error:
                raise StateDamaged(
                    f"the record {one.seq} of a reviewed day cannot be read: {error!r}",
                    hint="Update emonk-ops, and run the same command again",
                ) from error
            known[digest.since] = digest
    return known


def sentence(report: ReviewReport) -> str:
    """One line: what it came to."""
    name = f"the review of {report.window.days} days in {report.env}"
    by_verdict: dict[str, list[str]] = {}
    for one in report.open:
        by_verdict.setdefault(one.finding.verdict.value, []).append(one.check.id)
    cause = "; ".join(f"{verdict} {', '.join(ids)}" for verdict, ids in by_verdict.items())
    if report.exit_code is ExitCode.WAITING:
        return f"{name} waits until {report.window.full_at:%Y-%m-%d %H:%M}Z: {cause}"
    return f"{name} passed" if not cause else f"{name}: {cause}"


def _all_days(
    tools: Toolbox, records: Iterable[Record], report: ReviewReport, run: RunRecord, see: Observer
) -> tuple[DayDigest, ...]:
    """Known ones from the journal; each new one is written there once it is read.

    A day that was not covered is read again: its lines may be there by now.
    """
    known, digests = known_days(records), []
    begins = list(report.window.begins())
    new = [one for one in begins if one not in known or known[one].gap]
    if new:
        see.notice(PhaseBegan("days", len(new)))
    for begin in begins:
        if begin not in new:
            digests.append(known[begin])
            continue
        digest = read_day(tools, begin)
        run.write(DAY_READ, {"version": VERSION, "digest": digest.to_dict()})
        report.read += 1
        digests.append(digest)
        told = digest.gap or f"{digest.healthy} of {digest.expected} ticks healthy"
        see.notice(Noted(f"{digest.day}: {told}", warning=bool(digest.gap)))
    return tuple(digests)


def _checks(found: Sources) -> tuple[Check, ...]:
    """The criteria in the guide's order; what a criterion goes by is asked when it is measured."""

    def by(name: str, judge: Callable[[Reviewed], Finding]) -> Callable[[Toolbox], Finding]:
        return lambda _tools: judge(found.reviewed_for(name))

    measured = [Check(name, words, by(name, judge)) for name, words, judge in (COVERED, *CRITERIA)]
    attested = [Check(name, words, by(name, asked), per_run=True) for name, words in ATTESTED]
    return (*measured, *attested)


def _complaints(window: Window) -> Check:
    """The appendix's line; it is told, and blocks nothing: the criteria are the guide's seven."""

    def measure(tools: Toolbox) -> Finding:
        return complaints_between(tools, window.since, window.until)

    return Check("complaints", "Check for any errors or warnings", measure, advisory=True)


def _keep(tools: Toolbox, found: Sources) -> None:
    """The sums that the verdicts were reached by, as evidence."""
    reviewed = found.reviewed
    save_evidence(
        tools,
        Writer(REVIEWED, {"env": tools.env.name, **reviewed.to_dict()}),
        kind=REVIEWED,
        purpose=REVIEW,
        window=(reviewed.window.since, reviewed.window.until),
        verdicts=measured_findings(reviewed),
    )
