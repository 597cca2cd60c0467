"""A soak under way: looks, writes each down, and says when it is done, waits, or is breached."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.operations.server_time import server_now
from emonk_ops.rollout.book import RunRecord
from emonk_ops.rollout.events import Noted, Observer
from emonk_ops.rollout.model import (
    Breach,
    Check,
    CheckResult,
    Facts,
    Finding,
    Look,
    Soak,
    Step,
    Verdict,
    soak_check,
)
from emonk_ops.rollout.plan import PlannedStep, preview_all
from emonk_ops.rollout.sentences import time_left
from emonk_ops.rollout.soak import SoakState, acting, changes, look_body, why_enough
from emonk_ops.toolbox import Toolbox

DRIFT = "drift"
SHORTEST_SLEEP_SECONDS = 15.0
MOST_EXTENSIONS = 3
MOST_LOOKS = 64  # of one that waits: an extended hour is looked at less often than a plain one
PARTS_TOLD = 12


@dataclass(frozen=True)
class Soaked:
    """How far a soak has come. `breach` is what ended it."""

    state: SoakState
    finding: Finding
    breach: Breach | None = None


class Soaking:
    """One run's part in one soak. `current` reads the state from the journal again."""

    def __init__(
        self,
        soak: Soak,
        steps: tuple[Step, ...],
        *,
        stage: int,
        tools: Toolbox,
        run: RunRecord,
        current: Callable[[], SoakState | None],
        observer: Observer,
    ) -> None:
        self._soak = soak
        self._steps = steps
        self._stage = stage
        self._tools = tools
        self._run = run
        self._current = current
        self._observer = observer
        self._told = 0

    @property
    def check(self) -> Check:
        return soak_check(self._soak)

    @property
    def extensions(self) -> int:
        return self._require().extensions

    def go_on(self) -> Soaked:
        """Until it is done, breached, or has to be waited for by somebody who does not wait."""
        while True:
            now = server_now(self._tools)
            state = self._mine(now)
            breach = self._drifted(state, now)
            if breach is None and state.open:
                breach = self._look(state, now)
            if breach is not None:
                return self._breached(breach)
            state = self._require()
            if not state.left_seconds:
                return self._done(state)
            if not self._tools.waits:
                return Soaked(state, self._waiting(state, now))
            self._sleep(state, now)

    def extend(self, seconds: float, why: str) -> None:
        """A tendency wants more samples."""
        state = self._require()
        needed = max(state.needed_seconds, state.covered_seconds) + seconds
        self._write("soak.extended", {"needed_seconds": round(needed, 1), "why": why})
        self._say(f"the soak is extended by {time_left(timedelta(seconds=seconds))}: {why}")

    def _mine(self, now: datetime) -> SoakState:
        """The soak in the journal if it is still about what runs now; else a new one."""
        about = dict(self._soak.about(self._tools))
        state = self._current()
        if state is None or state.ended not in ("", "done"):
            return self._begin(about, self._soak.since(self._tools, about) or now)
        if differs := changes(state.about, about):
            return self._anew("; ".join(differs), about, now)
        return state

    def _anew(self, why: str, about: Facts, now: datetime) -> SoakState:
        self._write("soak.ended", {"how": f"began anew: {why}"})
        self._say(f"the soak begins anew: {why}", warning=True)
        return self._begin(about, now)

    def _begin(self, about: Facts, now: datetime) -> SoakState:
        needed = self._soak.needed_seconds
        told = {"needed_seconds": needed, "guide_seconds": self._soak.guide_seconds, "at": now}
        self._write("soak.began", {"about": dict(about), **told})
        self._say(f"the soak begins: {time_left(timedelta(seconds=needed))} of healthy time")
        return self._require()

    def _look(self, state: SoakState, now: datetime) -> Breach | None:
        env = self._tools.env
        self._tools.memo["soak"] = state
        for look in self._soak.look(self._tools, state.until, now):
            self._write("soak.looked", look_body(look))
            for breach in look.breaches:
                observed = " (observed only)" if breach.criterion in env.observe_only else ""
                self._say(f"{breach.criterion}: {breach.summary}{observed}", warning=True)
            state = self._require()
            found = acting(env, state, look.breaches)
            if found is not None and env.on_breach != "warn":
                why = why_enough(env, state, found)
                return replace(found, summary=f"{found.summary} ({why})")
            if look.anew:
                self._anew(look.anew, state.about, look.until)
        return None

    def _drifted(self, state: SoakState, now: datetime) -> Breach | None:
        """What the steps of this stage would have to change again, somebody else has changed."""
        found = [one for one in preview_all(self._steps, self._tools) if _differs(one)]
        if not found or DRIFT in self._tools.env.observe_only:
            return None
        told = "; ".join(f"{one.step.id}: {one.summary}" for one in found)
        facts = {one.step.id: dict(one.would.facts) for one in found if one.would}
        breach = Breach(DRIFT, f"changed by somebody else: {told}", certain=True, facts=facts)
        if self._tools.env.on_breach != "warn":
            return breach
        # Time that ran under other conditions is not this soak's.
        look = Look(state.until, now, 0.0, (breach,), breach.summary, facts)
        self._write("soak.looked", look_body(look))
        self._say(f"{DRIFT}: {breach.summary}", warning=True)
        return None

    def _breached(self, breach: Breach) -> Soaked:
        policy = self._tools.env.on_breach
        self._write(
            "soak.ended",
            {
                "how": "breached",
                "criterion": breach.criterion,
                "summary": breach.summary,
                "policy": policy,
                "facts": dict(breach.facts),
            },
        )
        finding = Finding(
            Verdict.FAIL,
            f"{breach.criterion}: {breach.summary}",
            {**dict(breach.facts), "policy": policy},
        )
        return Soaked(self._require(), finding, breach)

    def _done(self, state: SoakState) -> Soaked:
        if state.open:
            self._write("soak.ended", {"how": "done"})
            state = self._require()
        told = (
            f"{_hours(state.covered_seconds)} healthy and seen since "
            f"{state.began_at:%Y-%m-%d %H:%M:%S}Z, coverage {state.coverage:.1%}, "
            f"{state.looks} looks"
        )
        return Soaked(state, Finding(Verdict.PASS, told + self._shortened(), state.facts()))

    def _waiting(self, state: SoakState, now: datetime) -> Finding:
        told = (
            f"{_hours(state.covered_seconds)} of {_hours(state.needed_seconds)} covered, "
            f"{time_left(timedelta(seconds=state.left_seconds))} left at a coverage of "
            f"{state.coverage:.1%}"
        )
        return Finding(
            Verdict.WAITING,
            told + self._shortened(),
            state.facts(),
            wait_until=max(state.ends_about, now),
        )

    def _shortened(self) -> str:
        if self._soak.needed_seconds >= self._soak.guide_seconds:
            return ""
        return f"; NO EVIDENCE: the guide asks for {_hours(self._soak.guide_seconds)}"

    def _sleep(self, state: SoakState, now: datetime) -> None:
        every = max(self._soak.every_seconds, state.needed_seconds / MOST_LOOKS)
        seconds = min(every, state.left_seconds + SHORTEST_SLEEP_SECONDS)
        self._tell(state)
        clock = self._tools.clock
        # The machine's clock only says when to look again; what counts is the server's.
        clock.sleep_until(clock.now() + timedelta(seconds=max(seconds, SHORTEST_SLEEP_SECONDS)))

    def _tell(self, state: SoakState) -> None:
        """A line for every so many parts of the whole: a day of looks would fill the screen."""
        part = int(state.covered_seconds * PARTS_TOLD / state.needed_seconds)
        if part != self._told:
            self._told = part
            left = time_left(timedelta(seconds=state.left_seconds))
            self._say(
                f"soak {self._soak.id}: {_hours(state.covered_seconds)} covered "
                f"(coverage {state.coverage:.1%}), {left} left"
            )

    def _write(self, kind: str, body: dict[str, Any]) -> None:
        self._run.write(kind, {"stage": self._stage, "soak": self._soak.id, **body})

    def _require(self) -> SoakState:
        state = self._current()
        assert state is not None, "a soak that was written down is in the journal"
        return state

    def _say(self, text: str, *, warning: bool = False) -> None:
        self._observer.notice(Noted(text, warning=warning))


def _differs(planned: PlannedStep) -> bool:
    return planned.would is not None and planned.would.changed


def _hours(seconds: float) -> str:
    return time_left(timedelta(seconds=seconds)) if seconds else "nothing"


def more_time(results: Iterable[CheckResult]) -> tuple[float, str]:
    """How many seconds more would settle what does not hold; 0.0 when time alone would not."""
    short = [one for one in results if not one.holds]
    if not short or any(one.finding.verdict is not Verdict.INCONCLUSIVE for one in short):
        return 0.0, ""
    wanted = [one.finding.more_seconds for one in short if one.finding.more_seconds]
    if len(wanted) < len(short):
        return 0.0, ""
    return max(wanted), "; ".join(f"{one.check.id}: {one.finding.summary}" for one in short)
