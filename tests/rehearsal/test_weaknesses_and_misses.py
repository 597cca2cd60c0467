"""Each injection fails a service with the weakness it looks for, and never passes one it missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from emonk_ops.access_ports import Binding
from emonk_ops.operations.injection.catalogue import FAULTS
from tests.rehearsal.injecting import Operator, on_firestore, sandbox

MEMBER = "serviceAccount:emonk-agent@emonk-qa.iam.gserviceaccount.com"
RUN_JOB = "google.cloud.scheduler.v1.CloudScheduler/RunJob"
PAUSE_JOB = "google.cloud.scheduler.v1.CloudScheduler/PauseJob"
UPDATE_SERVICE = "google.cloud.run.v2.Services/UpdateService"
SOMEBODY = "nobody@emonk-qa.iam.gserviceaccount.com"

Words = tuple[str, ...]
DUPLICATE = ("duplicate-trigger", "--via", "scheduler")
DUPLICATE_HTTP = ("duplicate-trigger", "--via", "http")
DRAIN, KILL = ("restart", "--mode", "drain"), ("restart", "--mode", "kill")
IAM = ("firestore-outage", "--mode", "iam")
TRANSIENT = ("firestore-outage", "--mode", "transient")
OVERDUE, SLOW, MISSED = ("overdue-job",), ("slow-tick",), ("missed-ticks",)
STRANGERS = ("bad-auth",)

# A weakness of the service, and which expectation of which injection it disappoints.
WEAK: dict[str, dict[Words, set[str]]] = {
    "no-lease": {
        DUPLICATE: {"second-skips"},
        DUPLICATE_HTTP: {"second-skips"},
        SLOW: {"no-second-run"},
    },
    "no-retry": {KILL: {"retry-next-tick", "one-effect"}},
    "forgetful": {DRAIN: {"leases-given-back"}},
    "dies-of-denial": {IAM: {"graceful", "logged-no-crash"}},
    "dies-of-outage": {TRANSIENT: {"graceful", "logged-no-crash"}},
    "skips-overdue": {OVERDUE: {"catch-up"}, MISSED: {"catch-up", "each-once"}},
    "any-audience": {STRANGERS: {"refused-wrong-audience"}},
    "any-caller": {STRANGERS: {"refused-operator-token"}},
}
FAILED = {words for found in WEAK.values() for words in found}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with sandbox(tmp_path_factory.mktemp("weaknesses")) as found:
        yield on_firestore(found)


@contextmanager
def _another_way_in(operator: Operator) -> Iterator[None]:
    access = operator.tools.access
    policy = access.policy()
    owner = Binding("roles/datastore.owner", (MEMBER,))
    access.set_policy(replace(policy, bindings=(*policy.bindings, owner)))
    yield
    access.set_policy(replace(access.policy(), bindings=policy.bindings))


@contextmanager
def _never_propagated(operator: Operator) -> Iterator[None]:
    operator.control("iam/delay", seconds=3600)
    yield
    operator.control("iam/delay", seconds=0)


@contextmanager
def _puts_off(operator: Operator) -> Iterator[None]:
    operator.serve_weak("never-past")
    yield
    operator.serve(image="emonk-agent")


def _hindered(operator: Operator, how: str) -> AbstractContextManager[None]:
    match how:
        case "another way in":
            return _another_way_in(operator)
        case "never propagated":
            return _never_propagated(operator)
        case "the service puts it off":
            return _puts_off(operator)
        case "turned away at the door":
            invoker = f'[env.qa]\ninvoker = "{SOMEBODY}"'
            return operator.configured("[env.qa]", invoker)
        case "no such endpoint":
            return operator.configured("# tick_path", 'tick_path = "/nowhere"\n# tick_path')
    return operator.failing(how)


# What keeps it from landing, and what is said of that.
HINDERED: tuple[tuple[Words, str, str], ...] = (
    (DUPLICATE, RUN_JOB, "jobs.run: no answer"),
    (DUPLICATE_HTTP, "turned away at the door", "no two ticks at the same time"),
    (DRAIN, UPDATE_SERVICE, "services.update: no answer"),
    (KILL, RUN_JOB, "jobs.run: no answer"),
    (IAM, "another way in", "roles/datastore.owner"),
    (IAM, "never propagated", "logged no PERMISSION_DENIED"),
    (TRANSIENT, RUN_JOB, "jobs.run: no answer"),
    (OVERDUE, "the service puts it off", "not in the past"),
    (SLOW, RUN_JOB, "jobs.run: no answer"),
    (MISSED, PAUSE_JOB, "jobs.pause: no answer"),
    (STRANGERS, "no such endpoint", "no tick endpoint"),
)


def test_every_mode_of_every_injection_is_in_both_tables() -> None:
    modes = {
        (one.name, *option)
        for one in FAULTS
        for option in (
            [(f"--{name}", value) for name, values in one.choices.items() for value in values]
            if one.name != OVERDUE[0]  # its choices are how far, not how
            else [()]
        )
        or [()]
    }
    assert modes == FAILED
    assert {words for words, _, _ in HINDERED} == FAILED


@pytest.mark.parametrize("weakness", WEAK)
@pytest.mark.timeout(300)
def test_a_planted_weakness_fails(operator: Operator, weakness: str) -> None:
    operator.serve_weak(weakness)
    try:
        for words, failed in WEAK[weakness].items():
            told = operator.types("inject", *words, code=1)
            assert told["verdict"] == "FAIL"
            seen = operator.seen(told)
            assert failed <= {name for name, verdict in seen.items() if verdict == "FAIL"}
    finally:
        operator.serve(image="emonk-agent")


@pytest.mark.parametrize(("words", "how", "said"), HINDERED, ids=str)
@pytest.mark.timeout(300)
def test_a_fault_that_is_kept_from_landing_is_not_exercised(
    operator: Operator, words: Words, how: str, said: str
) -> None:
    before = operator.bindings()
    with _hindered(operator, how):
        told = operator.types("inject", *words, code=5)
    assert told["verdict"] == "NOT_EXERCISED"
    assert said in told["summary"]
    assert operator.bindings() == before
