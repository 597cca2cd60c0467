"""What an injection into a sound service leaves: evidence by which each of them passes."""

from __future__ import annotations

from typing import Any

Evidence = dict[str, Any]
CANARY = "emonk-inject-r-x"
DAY = "2026-01-05T12:"


def line(what: str, at: str, *, job: str = CANARY, attempt: int = 1, slot: str = "") -> Evidence:
    return {
        "what": what,
        "at": f"{DAY}{at}+00:00",
        "job": job,
        "attempt": attempt,
        "slot": f"{DAY}{slot or '00:00'}Z",
    }


def tick(at: str, seconds: float, status: int = 200) -> Evidence:
    return {"at": f"{DAY}{at}+00:00", "seconds": seconds, "status": status, "by_scheduler": True}


def evidence(name: str, options: dict[str, str] | None = None, **more: Any) -> Evidence:
    return {
        "injection": name,
        "options": options or {},
        "canary": CANARY,
        "lease_seconds": 300.0,
        "period_seconds": 60.0,
        "jobs_before": ["digest"],
        "jobs_lost": [],
        "left": [],
        "guard": "",
        "interrupted": False,
        **more,
    }


def duplicate() -> Evidence:
    lines = [line("execution", "00:01"), line("effect", "00:21")]
    pair = [tick("00:00", 21.0), tick("00:02", 0.1)]
    return evidence("duplicate-trigger", landed={"overlap": pair}, observed={"lines": lines})


def killed() -> Evidence:
    lines = [
        line("execution", "00:01"),
        line("execution", "06:00", attempt=2),
        line("effect", "06:05", attempt=2),
    ]
    landed = {"execution": lines[0], "request": tick("00:00", 6.0, 503)}
    return evidence("restart", {"mode": "kill"}, landed=landed, observed={"lines": lines})


def drained() -> Evidence:
    lines = [line("execution", "00:01"), line("effect", "00:26")]
    job = {"state": "succeeded", "lease_until": None}
    landed = {"execution": lines[0], "from": "a-1", "to": "a-2"}
    seen = {"lines": lines, "job": job}
    return evidence("restart", {"mode": "drain"}, landed=landed, observed=seen)


def outage() -> Evidence:
    lines = [line("execution", "03:00", slot="01:00"), line("effect", "03:00", slot="01:00")]
    observed = {"errors": [{"code": "PERMISSION_DENIED"}], "starts": []}
    recovered = {"lines": lines, "slots": [f"{DAY}01:00Z"], "tick": f"{DAY}03:00Z", "starts": []}
    return evidence(
        "firestore-outage",
        {"mode": "iam"},
        landed={"code": "PERMISSION_DENIED", "first": f"{DAY}00:30Z"},
        observed={**observed, "requests": [tick("01:00", 0.1, 503)]},
        recovered=recovered,
    )


def overdue() -> Evidence:
    due = {"past": f"{DAY}00:00Z", "now": f"{DAY}10:00Z", "future": f"{DAY}11:30Z"}
    lines = [
        line(what, at, job=f"{CANARY}-{job}")
        for job, at in (("past", "11:00"), ("now", "11:00"), ("future", "12:00"))
        for what in ("execution", "effect")
    ]
    injected = {"due": due, "ticks": [f"{DAY}11:00Z", f"{DAY}12:00Z"], "naive": "no time zone"}
    landed = {"slot": due["past"]}
    return evidence("overdue-job", injected=injected, landed=landed, observed={"lines": lines})


def missed() -> Evidence:
    slots = ["01:00", "02:00"]
    lines = [line(what, "03:00", slot=slot) for slot in slots for what in ("execution", "effect")]
    return evidence(
        "missed-ticks",
        injected={"slots": [f"{DAY}{one}Z" for one in slots]},
        landed={"state": "PAUSED"},
        recovered={"tick": f"{DAY}03:00Z", "lines": lines},
    )


def slow() -> Evidence:
    long, short = tick("00:00", 30.0), tick("00:08", 0.1)
    lines = [line("execution", "00:00"), line("effect", "00:30")]
    seen = {"lines": lines, "requests": [long, short]}
    return evidence("slow-tick", landed={"slow": [long]}, observed=seen)


def strangers() -> Evidence:
    answers = {
        name: {"status": 401, "by": "app"}
        for name in ("no-token", "operator-token", "wrong-audience")
    }
    return evidence("bad-auth", injected={"answers": answers}, landed={"answered_by": {}})


def triggered() -> Evidence:
    return evidence("manual-trigger", landed={"ticks": [tick("00:00", 0.1)]})


def executed() -> Evidence:
    lines = [line("execution", "00:01"), line("effect", "00:01")]
    seen = {"lines": lines, "job": {"state": "succeeded", "lease_until": None}}
    return evidence("job-execution", landed={"ticks": [tick("00:00", 0.1)]}, observed=seen)


def leased() -> Evidence:
    during = {"now": f"{DAY}00:05Z", "state": "running", "fence": 1}
    job = {"state": "succeeded", "lease_until": None}
    return evidence(
        "lease-cycle",
        injected={"during": {**during, "lease_until": f"{DAY}05:01Z"}},
        landed={"ticks": [tick("00:00", 15.1)]},
        observed={"job": job},
    )


FAULTS = (duplicate, killed, drained, outage, overdue, missed, slow, strangers)
SOUND = (*FAULTS, triggered, executed, leased)
