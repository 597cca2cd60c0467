from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from emonk_ops.errors import (
    CloudError,
    Conflict,
    ExitCode,
    Interrupted,
    NotFound,
    RestoreIncomplete,
    StepFailed,
    StillSettling,
    UsageError,
)
from emonk_ops.monitoring_ports import Incident, Kind
from emonk_ops.operations.alerts.board import panels
from emonk_ops.operations.alerts.checking import check
from emonk_ops.operations.alerts.diff import differences
from emonk_ops.operations.alerts.keeping import (
    Action,
    Change,
    Part,
    apply,
    found_policies,
    plan,
    removal,
    remove,
)
from emonk_ops.operations.alerts.policies import timing
from emonk_ops.operations.alerts.trying import Outcome, attempt, chosen
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import DeployRequest
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.tick import logs
from emonk_ops.toolbox import Toolbox

GUIDE = {
    "Scheduler Tick Failures",
    "Scheduler Jobs Not Executing",
    "Scheduler Duplicate Execution",
    "Scheduler Tick Latency",
    "Firestore Error Rate",
    "Scheduler Heartbeat",
    "Scheduler Lag",
}


@pytest.fixture
def tools(tools: Toolbox) -> Toolbox:
    return replace(tools, env=replace(tools.env, alert_channels=("oncall@example.com",)))


def open_changes(changes: tuple[Change, ...]) -> list[Change]:
    return [one for one in changes if one.action is not Action.NONE]


def policy(tools: Toolbox, name: str) -> dict[str, Any]:
    return dict(found_policies(tools)[name])


def test_what_is_applied_is_the_guide_s_and_a_second_time_changes_nothing(tools: Toolbox) -> None:
    made = apply(tools, Part.ALERTS)
    assert {one.action for one in made} == {Action.CREATE}
    assert {one.title for one in made if one.kind is Kind.POLICY} == GUIDE
    before = {kind: tools.monitoring.listed(kind) for kind in Kind}
    assert not open_changes(apply(tools, Part.ALERTS))
    assert {kind: tools.monitoring.listed(kind) for kind in Kind} == before


def test_the_guide_s_numbers_stand_in_the_policies(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    jobs, ticks = policy(tools, "tick-failures")["conditions"]
    for condition in (jobs, ticks):
        threshold = condition["conditionThreshold"]
        assert (threshold["thresholdValue"], threshold["duration"]) == (0.05, "300s")
        assert threshold["denominatorFilter"]
    first = {
        name: found_policies(tools)[name]["conditions"][0]["conditionThreshold"]
        for name in ("duplicates", "tick-latency", "storage-errors")
    }
    assert first["duplicates"]["thresholdValue"] == 0
    assert first["tick-latency"]["thresholdValue"] == 5000
    assert (first["storage-errors"]["thresholdValue"], first["storage-errors"]["duration"]) == (
        0.01,
        "300s",
    )


def test_the_filters_name_lines_that_the_service_writes(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    filters = " ".join(str(one["filter"]) for one in tools.monitoring.listed(Kind.METRIC))
    for line in (
        logs.TICK_COMPLETED,
        logs.TICK_FAILED,
        logs.JOB_SUCCEEDED,
        logs.JOB_FAILED,
        logs.JOB_DEAD,
        logs.JOB_RESCUED,
        logs.LEASE_LOST,
        logs.STALE_COMPLETION,
    ):
        assert f'"{line}"' in filters
    assert logs.EXECUTING_JOB.partition("{")[0] in filters


def test_every_series_of_policies_and_dashboard_is_a_metric_that_is_made(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    apply(tools, Part.DASHBOARD)
    made = {
        f"logging.googleapis.com/user/{one['name']}" for one in tools.monitoring.listed(Kind.METRIC)
    }
    text = str([*tools.monitoring.listed(Kind.POLICY), *tools.monitoring.listed(Kind.DASHBOARD)])
    used = {part.split('"')[1] for part in text.split("metric.type = ")[1:]}
    assert used
    assert used <= made


@pytest.mark.parametrize(
    ("cadence", "period", "silence", "lag"),
    [("* * * * *", 60, 300, 360), ("*/5 * * * *", 300, 660, 600), ("0 * * * *", 3600, 7260, 3900)],
)
def test_the_conditions_go_by_the_cadence(
    env: Environment, cadence: str, period: int, silence: int, lag: int
) -> None:
    found = timing(replace(env, cadence=cadence))
    assert (found.period, found.silence, found.lag) == (period, silence, lag)


def test_a_cadence_too_sparse_to_be_watched_is_refused_with_its_gap(env: Environment) -> None:
    with pytest.raises(UsageError, match="gaps of 72"):
        timing(replace(env, cadence="0 7 * * 1-5"))


def test_drift_is_shown_field_by_field_and_brought_back_by_apply_alone(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    changed = policy(tools, "tick-failures")
    changed["conditions"][1]["conditionThreshold"]["thresholdValue"] = 0.5
    changed["enabled"] = False
    changed["userLabels"]["team"] = "theirs"
    tools.monitoring.update(Kind.POLICY, changed)
    (drifted,) = open_changes(plan(tools, Part.ALERTS))
    assert drifted.action is Action.CHANGE
    assert drifted.diff == {
        "conditions[1].conditionThreshold.thresholdValue": ["0.5", "0.05"],
        "enabled": ["False", "True"],
    }
    assert policy(tools, "tick-failures")["enabled"] is False
    apply(tools, Part.ALERTS)
    back = policy(tools, "tick-failures")
    assert back["enabled"] is True
    assert back["userLabels"]["team"] == "theirs"
    assert not open_changes(plan(tools, Part.ALERTS))


def test_somebody_else_s_things_are_never_touched(tools: Toolbox) -> None:
    theirs: dict[Kind, dict[str, Any]] = {
        Kind.POLICY: {"displayName": "Scheduler Lag", "userLabels": {"kept-by": "terraform"}},
        Kind.METRIC: {"name": "emonk-agent_qa_mine", "description": "mine", "filter": "x"},
        Kind.CHANNEL: {"type": "email", "labels": {"email_address": "oncall@example.com"}},
        Kind.DASHBOARD: {"displayName": "Ours", "labels": {"emonk-env": "qa"}},
    }
    made = {kind: tools.monitoring.create(kind, one) for kind, one in theirs.items()}
    apply(tools, Part.ALERTS)
    apply(tools, Part.DASHBOARD)
    assert policy(tools, "lag")["notificationChannels"] == [made[Kind.CHANNEL]["name"]]
    remove(tools, Part.ALERTS)
    remove(tools, Part.DASHBOARD)
    assert {kind: tools.monitoring.listed(kind) for kind in Kind} == {
        kind: (one,) for kind, one in made.items()
    }


def test_a_metric_of_our_name_that_is_somebody_else_s_stops_everything(tools: Toolbox) -> None:
    wanted = {"name": "emonk-agent_qa_ticks", "description": "theirs", "filter": "x"}
    tools.monitoring.create(Kind.METRIC, wanted)
    with pytest.raises(Conflict, match="emonk-agent_qa_ticks that this tool did not make"):
        plan(tools, Part.ALERTS)


def test_another_environment_in_the_same_project_is_somebody_else(tools: Toolbox) -> None:
    other = replace(tools, env=replace(tools.env, name="staging"))
    apply(tools, Part.ALERTS)
    apply(other, Part.ALERTS)
    assert not open_changes(plan(tools, Part.ALERTS))
    remove(other, Part.ALERTS)
    assert not open_changes(plan(tools, Part.ALERTS))


def test_an_address_no_longer_wanted_leaves_the_policies_first(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    other = replace(tools, env=replace(tools.env, alert_channels=("new@example.com",)))
    told = open_changes(plan(other, Part.ALERTS))
    assert [one.action for one in told if one.kind is Kind.CHANNEL] == [
        Action.CREATE,
        Action.REMOVE,
    ]
    apply(other, Part.ALERTS)
    (channel,) = tools.monitoring.listed(Kind.CHANNEL)
    assert channel["labels"] == {"email_address": "new@example.com"}
    assert policy(other, "lag")["notificationChannels"] == [channel["name"]]


def test_a_full_name_must_exist_and_belongs_to_its_own_project(tools: Toolbox) -> None:
    elsewhere = ("projects/other/notificationChannels/1",)
    tools = replace(tools, env=replace(tools.env, alert_channels=elsewhere))
    apply(tools, Part.ALERTS)
    assert policy(tools, "lag")["notificationChannels"] == []
    missing = ("projects/emonk-qa/notificationChannels/99",)
    with pytest.raises(NotFound, match="no notification channel projects/emonk-qa"):
        plan(replace(tools, env=replace(tools.env, alert_channels=missing)), Part.ALERTS)


def test_metrics_stay_while_the_other_part_uses_them(tools: Toolbox) -> None:
    apply(tools, Part.ALERTS)
    apply(tools, Part.DASHBOARD)
    assert {one.kind for one in remove(tools, Part.ALERTS)} == {Kind.POLICY, Kind.CHANNEL}
    assert Kind.METRIC in {one.kind for one in removal(tools, Part.DASHBOARD)}
    remove(tools, Part.DASHBOARD)
    assert not remove(tools, Part.ALERTS)
    assert not tools.monitoring.listed(Kind.METRIC)


def test_a_metric_unknown_to_monitoring_yet_means_come_again(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    def refuse(call: str) -> None:
        if call == "create policy":
            raise CloudError("Cannot find metric that matches type; it was created recently")

    world.before = refuse
    with pytest.raises(StillSettling) as refused:
        apply(tools, Part.ALERTS)
    assert refused.value.exit_code is ExitCode.WAITING
    world.before = lambda _call: None
    apply(tools, Part.ALERTS)
    assert not open_changes(plan(tools, Part.ALERTS))


def test_what_is_not_so_when_read_back_is_no_success(tools: Toolbox, world: InMemoryWorld) -> None:
    apply(tools, Part.ALERTS)
    changed = {**policy(tools, "lag"), "enabled": False}
    tools.monitoring.update(Kind.POLICY, changed)

    def drift(call: str) -> None:
        if call == "update policy":
            world.after = lambda _call: None
            tools.monitoring.update(Kind.POLICY, changed)

    world.after = drift
    with pytest.raises(StepFailed, match="still differs: policy Scheduler Lag"):
        apply(tools, Part.ALERTS)


def test_each_widget_of_the_dashboard_has_its_id(tools: Toolbox) -> None:
    apply(tools, Part.DASHBOARD)
    (board,) = tools.monitoring.listed(Kind.DASHBOARD)
    kept = {one["widget"]["id"]: one["widget"] for one in board["mosaicLayout"]["tiles"]}
    assert {name: {"id": name, **widget} for name, widget in panels(tools.env).items()} == kept


def test_a_dashboard_changed_in_between_is_not_overwritten(tools: Toolbox) -> None:
    apply(tools, Part.DASHBOARD)
    (board,) = tools.monitoring.listed(Kind.DASHBOARD)
    tools.monitoring.update(Kind.DASHBOARD, {**board, "displayName": "Renamed"})
    with pytest.raises(Conflict):
        tools.monitoring.update(Kind.DASHBOARD, board)
    (drifted,) = open_changes(plan(tools, Part.DASHBOARD))
    assert drifted.diff["displayName"][0] == "Renamed"
    apply(tools, Part.DASHBOARD)
    assert not open_changes(plan(tools, Part.DASHBOARD))


def test_check_says_of_each_policy_whether_it_would_reach_somebody(
    tools: Toolbox, ports: InMemoryPorts
) -> None:
    assert {one.problems for one in check(tools).checked[1:]} == {("missing",)}
    apply(tools, Part.ALERTS)
    assert check(tools).is_sound
    (channel,) = tools.monitoring.listed(Kind.CHANNEL)
    tools.monitoring.update(Kind.CHANNEL, {**channel, "enabled": False})
    tools.monitoring.update(Kind.POLICY, {**policy(tools, "lag"), "enabled": False})
    tools.monitoring.delete(Kind.METRIC, "emonk-agent_qa_lag")
    name = str(policy(tools, "heartbeat")["name"])
    now = tools.clock.now()
    ports.monitoring.happened = [
        Incident(name, "Scheduler Heartbeat", "OPEN", now, None),
        Incident(name, "Scheduler Heartbeat", "CLOSED", now, now),
        Incident("projects/emonk-qa/alertPolicies/theirs", "Theirs", "OPEN", now, None),
    ]
    answer = check(tools)
    found = {one.name: one.problems for one in answer.checked}
    assert found["metrics"] == ("emonk-agent_qa_lag: missing",)
    assert found["heartbeat"] == (f"its channel {channel['name']} is disabled",)
    assert found["lag"][0] == "disabled"
    assert [one.state for one in answer.open_incidents] == ["OPEN"]


def test_without_a_channel_nobody_is_notified_and_check_says_so(tools: Toolbox) -> None:
    silent = replace(tools, env=replace(tools.env, alert_channels=()))
    apply(silent, Part.ALERTS)
    answer = check(silent)
    assert not answer.is_sound
    assert "nobody is notified" in answer.checked[1].problems[0]


def test_a_difference_is_of_what_is_wanted_and_defaults_may_be_left_out() -> None:
    want = {"a": 0.0, "b": ["x"], "c": {"d": "E_UNSPECIFIED"}, "e": True}
    assert differences({"b": ["x"], "e": True, "more": 1}, want) == {}
    assert differences({"b": ["x", "y"], "c": {"d": "ACTIVE"}}, want) == {
        "b": ["x, y", "x"],
        "c.d": ["ACTIVE", "E_UNSPECIFIED"],
        "e": ["-", "True"],
    }


class Platform:
    """Opens an incident of a policy `after` seconds of a trial, and closes it `closing` later."""

    def __init__(self, ports: InMemoryPorts, after: float, closing: float | None) -> None:
        self._ports = ports
        self._start = ports.clock.now()
        self._opens = self._start + timedelta(seconds=after)
        self._closes = None if closing is None else self._opens + timedelta(seconds=closing)
        self.states_while_open: set[str] = set()

    def of(self, policy_name: str) -> None:
        before = self._ports.clock.on_move

        def moved(begin: datetime, end: datetime) -> None:
            before(begin, end)
            job = self._ports.world.job
            if end >= self._opens:
                over = self._closes is not None and end >= self._closes
                self._ports.monitoring.happened = [
                    Incident(
                        policy_name,
                        "x",
                        "CLOSED" if over else "OPEN",
                        self._opens,
                        self._closes if over else None,
                    )
                ]
            elif job is not None:
                self.states_while_open.add(job.state)

        self._ports.clock.on_move = moved


@pytest.fixture
def driven(tools: Toolbox) -> Toolbox:
    """Cloud Scheduler alone drives, and the alerts are there."""
    ensure_job(tools)
    ensure_enabled(tools)
    tools.service.activate("cloud", expected_epoch=tools.service.driver().epoch)
    apply(tools, Part.ALERTS)
    return tools


def test_a_trial_causes_waits_ends_and_waits_again(driven: Toolbox, ports: InMemoryPorts) -> None:
    platform = Platform(ports, 700, 300)
    platform.of(str(policy(driven, "heartbeat")["name"]))
    tried = attempt(driven, "heartbeat")
    assert tried.outcome is Outcome.FIRED
    assert "opened after 700 s; closed once the cause was gone" in tried.sentence
    assert platform.states_while_open == {"PAUSED"}
    job = driven.jobs.describe()
    assert job is not None
    assert job.state == "ENABLED"


def test_an_alert_that_stays_silent_is_said_to_and_its_cause_is_ended(driven: Toolbox) -> None:
    tried = attempt(driven, "heartbeat")
    assert tried.outcome is Outcome.SILENT
    job = driven.jobs.describe()
    assert job is not None
    assert job.state == "ENABLED"


def test_a_cause_that_cannot_be_ended_is_told_with_the_way_out(
    driven: Toolbox, world: InMemoryWorld
) -> None:
    def refuse(call: str) -> None:
        if call == "resume":
            raise CloudError("the API is down")

    world.before = refuse
    with pytest.raises(RestoreIncomplete, match="still paused: the API is down"):
        attempt(driven, "heartbeat")


def test_the_written_duplicate_is_labelled_as_a_test(driven: Toolbox, world: InMemoryWorld) -> None:
    tried = attempt(driven, "duplicates")
    assert tried.outcome is Outcome.SILENT
    written = [one for one in world.log if one.message == logs.STALE_COMPLETION]
    assert [one.payload["test"] for one in written] == [True, True]
    assert "labelled as a test" in tried.sentence


def test_jobs_of_a_trial_are_cancelled_at_its_end(driven: Toolbox, world: InMemoryWorld) -> None:
    attempt(driven, "tick-failures")
    made = [one for name, one in world.store.jobs.items() if name.startswith("emonk-alerts-test")]
    assert made
    assert {one["state"] for one in made} == {"cancelled"}


@pytest.mark.parametrize(
    ("name", "method", "code"),
    [
        ("storage-errors", "google.firestore.v1.Firestore/*", "PERMISSION_DENIED"),
        ("not-executing", "google.firestore.v1.Firestore/BatchWrite", "UNAVAILABLE"),
    ],
)
def test_the_store_refuses_this_service_alone_and_only_during_the_trial(
    driven: Toolbox, ports: InMemoryPorts, name: str, method: str, code: str
) -> None:
    firestore = DeployRequest(env={"SCHEDULER_STORAGE": "firestore"})
    service = driven.run.deploy(firestore, timeout_seconds=60.0)
    seen: set[tuple[str, str, str]] = set()
    ports.clock.on_move = lambda _begin, _end: seen.update(ports.storage_faults.in_force.values())
    assert attempt(driven, name).outcome is Outcome.SILENT
    assert seen == {(method, code, service.template.service_account)}
    assert not ports.storage_faults.in_force


def test_what_cannot_be_tested_says_why(tools: Toolbox, ports: InMemoryPorts) -> None:
    apply(tools, Part.ALERTS)
    assert "is missing" in attempt(tools, "heartbeat").sentence
    ensure_job(tools)
    assert "is PAUSED" in attempt(tools, "lag").sentence
    ensure_enabled(tools)
    assert "legacy drives" in attempt(tools, "heartbeat").sentence
    name = str(policy(tools, "duplicates")["name"])
    ports.monitoring.happened = [Incident(name, "x", "OPEN", tools.clock.now(), None)]
    assert "open already" in attempt(tools, "duplicates").sentence
    assert "keeps its jobs in json" in attempt(tools, "storage-errors").sentence
    real = replace(tools, env=replace(tools.env, target=Target.GCP))
    assert "only the sandbox's" in attempt(real, "not-executing").sentence


def test_every_policy_is_tried_or_named_and_an_unknown_name_is_refused(env: Environment) -> None:
    in_memory = InMemoryPorts(InMemoryWorld())
    tools = Toolbox(replace(env, target=Target.GCP), in_memory, keep=env.state_dir)
    apply(tools, Part.ALERTS)
    assert set(chosen("")) == set(found_policies(tools))
    with pytest.raises(UsageError, match="no alert heartbeet"):
        chosen("heartbeet")


def test_an_interrupted_trial_ends_its_cause(driven: Toolbox, ports: InMemoryPorts) -> None:
    def stop(_begin: datetime, _end: datetime) -> None:
        job = ports.world.job
        assert job is not None
        assert job.state == "PAUSED"
        raise Interrupted("stopped by SIGINT")

    ports.clock.on_move = stop
    with pytest.raises(Interrupted):
        attempt(driven, "heartbeat")
    job = driven.jobs.describe()
    assert job is not None
    assert job.state == "ENABLED"
