from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from threading import Thread

import pytest

from emonk_ops.access_ports import Binding, Condition
from emonk_ops.clock import Clock, sleep
from emonk_ops.errors import CloudError, Conflict, DeployFailed, NotFound
from emonk_ops.operations.tick_window import COMPLAINTS
from emonk_ops.ports import DeployRequest, LogEntry, Service, TickJobSpec, TrafficShare
from emonk_ops.sandbox import launcher
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import BROKEN_IMAGE, InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Ports
from emonk_ops.wiring import Wiring

REAL_PROJECT = "EMONK_REAL_PROJECT"


@dataclass(frozen=True)
class Subject:
    """The ports of one target. `broken_image` names an image whose container never answers."""

    ports: Ports
    env: Environment
    broken_image: str
    clock: Clock
    write_line: Callable[[], None]  # makes the service log something

    def soon(self, holds: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Whether it comes to hold: logs and attempts arrive with a delay."""
        for _ in range(int(seconds * 4)):
            if holds():
                return True
            sleep(self.clock, 0.25)
        return False


@contextmanager
def in_memory(_directory: Path) -> Iterator[Subject]:
    world = InMemoryWorld()
    env = Environment("qa", Target.SANDBOX, "emonk-qa")
    ports = InMemoryPorts(world)
    yield Subject(ports, env, BROKEN_IMAGE, world.clock, lambda: world.write("something"))


@contextmanager
def in_the_sandbox(directory: Path) -> Iterator[Subject]:
    endpoint = launcher.launch(directory, clock="virtual")
    try:
        launcher.wait_for_services(endpoint)
        broken = [sys.executable, "-c", "import no_such_module"]
        launcher.call(endpoint, "POST", "/sandbox/images", {"name": "broken", "command": broken})
        env = Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=directory)
        with _wired(env, "broken") as found:
            yield found
    finally:
        launcher.end(directory)


@contextmanager
def in_a_real_project(_directory: Path) -> Iterator[Subject]:
    """Its service and job of the guide's names are changed: give it a project of its own."""
    env = Environment("qa", Target.GCP, os.environ[REAL_PROJECT])
    with _wired(env, "gcr.io/google-containers/pause:3.2") as found:
        yield found


@contextmanager
def _wired(env: Environment, broken_image: str) -> Iterator[Subject]:
    ports = Wiring(env)

    def write_line() -> None:
        ports.service.probe("GET", "/no-such-path")

    try:
        yield Subject(ports, env, broken_image, ports.clock, write_line)
    finally:
        ports.close()


TARGETS = {"memory": in_memory, "sandbox": in_the_sandbox, "real": in_a_real_project}


@pytest.fixture(
    scope="module",
    params=["memory", "sandbox"] + ["real"] * bool(os.environ.get(REAL_PROJECT)),
)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    """One target for all tests here; each test makes what it needs."""
    directory = tmp_path_factory.mktemp(str(request.param)) / "world"
    with TARGETS[str(request.param)](directory) as found:
        yield found


@pytest.fixture
def unpinned(subject: Subject) -> Service:
    return subject.ports.run.route([TrafficShare("", 100)], timeout_seconds=60.0)


@pytest.fixture
def spec(subject: Subject) -> TickJobSpec:
    """A specification that never fires by itself; no job exists yet."""
    if subject.ports.jobs.describe() is not None:
        subject.ports.jobs.delete()
    uri = subject.ports.run.describe_service().uri
    return TickJobSpec(
        schedule="0 0 1 1 *",
        time_zone="Etc/UTC",
        uri=f"{uri}/cron/tick",
        oidc_account=subject.env.tick_invoker,
        oidc_audience=uri,
        description="the contract's",
    )


def _deploy(subject: Subject, **env: str) -> Service:
    return subject.ports.run.deploy(DeployRequest(env=env), timeout_seconds=120.0)


def test_a_service_says_what_serves(unpinned: Service) -> None:
    assert unpinned.uri.startswith("http")
    assert unpinned.serving_revision == unpinned.latest_ready
    assert not unpinned.pinned
    assert unpinned.etag


def test_a_deployment_changes_what_it_names_and_nothing_else(
    subject: Subject, unpinned: Service
) -> None:
    before = subject.ports.run.describe_revision(unpinned.serving_revision)
    after = _deploy(subject, CONTRACT="one")
    made = subject.ports.run.describe_revision(after.serving_revision)
    assert after.serving_revision == after.latest_created != unpinned.serving_revision
    assert made.env == {**before.env, "CONTRACT": "one"}
    assert made.ready
    kept = {"image", "service_account", "min_instances", "max_instances", "cpu_always_allocated"}
    assert {key: getattr(made, key) for key in kept} == {key: getattr(before, key) for key in kept}
    assert subject.ports.run.list_revisions()[0].name == made.name


def test_a_variable_can_be_taken_away(subject: Subject, unpinned: Service) -> None:
    _deploy(subject, CONTRACT="two")
    request = DeployRequest(env={"CONTRACT": None})
    after = subject.ports.run.deploy(request, timeout_seconds=120.0)
    assert "CONTRACT" not in after.template.env


def test_under_a_pin_a_deployment_gets_no_traffic(subject: Subject, unpinned: Service) -> None:
    run = subject.ports.run
    pinned = run.route([TrafficShare(unpinned.serving_revision, 100)], timeout_seconds=60.0)
    assert pinned.pinned
    after = _deploy(subject, CONTRACT="pinned")
    assert after.serving_revision == unpinned.serving_revision != after.latest_created
    assert run.route([TrafficShare("", 100)], timeout_seconds=60.0).serving_revision == (
        after.latest_created
    )


def test_a_container_that_never_answers_fails_the_deployment_and_serves_nobody(
    subject: Subject, unpinned: Service
) -> None:
    working = subject.ports.run.describe_revision(unpinned.serving_revision).image
    with pytest.raises(DeployFailed) as failure:
        subject.ports.run.deploy(DeployRequest(image=subject.broken_image), timeout_seconds=120.0)
    service = subject.ports.run.describe_service()
    assert failure.value.revision == service.latest_created
    assert service.serving_revision == unpinned.serving_revision
    broken = subject.ports.run.describe_revision(service.latest_created)
    assert not broken.ready
    assert broken.reason
    subject.ports.run.deploy(DeployRequest(image=working), timeout_seconds=120.0)


def test_an_annotation_makes_no_revision(subject: Subject) -> None:
    before = subject.ports.run.describe_service()
    after = subject.ports.run.annotate({"emonk-ops/contract": "kept"})
    assert after.annotations["emonk-ops/contract"] == "kept"
    assert after.latest_created == before.latest_created
    gone = subject.ports.run.annotate({"emonk-ops/contract": None})
    assert "emonk-ops/contract" not in gone.annotations


def test_a_revision_that_does_not_exist_is_not_found(subject: Subject) -> None:
    with pytest.raises(NotFound):
        subject.ports.run.describe_revision("emonk-agent-no-such")


def test_a_job_that_does_not_exist_is_none_and_cannot_be_changed(
    subject: Subject, spec: TickJobSpec
) -> None:
    jobs = subject.ports.jobs
    assert jobs.describe() is None
    for change in (jobs.pause, jobs.resume, jobs.run, jobs.delete):
        with pytest.raises(NotFound):
            change()


def test_a_job_is_created_paused_as_it_was_specified(subject: Subject, spec: TickJobSpec) -> None:
    before = subject.ports.jobs.count()
    made = subject.ports.jobs.create(spec, paused=True)
    assert subject.ports.jobs.count() == before + 1
    assert (made.spec, made.state, made.last_attempt_at) == (spec, "PAUSED", None)
    assert subject.ports.jobs.describe() == made
    with pytest.raises(Conflict):
        subject.ports.jobs.create(spec, paused=True)


def test_a_job_is_updated_in_whatever_state_it_is(subject: Subject, spec: TickJobSpec) -> None:
    subject.ports.jobs.create(spec, paused=True)
    want = replace(spec, schedule="0 0 2 1 *", attempt_deadline_seconds=90, retry_count=2)
    subject.ports.jobs.update(want)
    found = subject.ports.jobs.describe()
    assert found is not None
    assert (found.spec, found.state) == (want, "PAUSED")


def test_a_job_is_resumed_and_paused_and_saying_it_twice_is_safe(
    subject: Subject, spec: TickJobSpec
) -> None:
    jobs = subject.ports.jobs
    jobs.create(spec, paused=True)
    assert [jobs.resume().state, jobs.resume().state] == ["ENABLED", "ENABLED"]
    found = jobs.describe()
    assert found is not None
    assert found.next_run_at is not None
    assert found.next_run_at > subject.clock.now()
    assert [jobs.pause().state, jobs.pause().state] == ["PAUSED", "PAUSED"]


def test_a_job_that_is_run_remembers_its_attempt(
    subject: Subject, spec: TickJobSpec, unpinned: Service
) -> None:
    jobs = subject.ports.jobs
    jobs.create(spec, paused=False)
    jobs.run()

    def attempted() -> bool:
        found = jobs.describe()
        return found is not None and found.last_attempt_at is not None

    assert subject.soon(attempted)
    found = jobs.describe()
    assert found is not None
    assert found.last_status_code == 0


def test_log_entries_are_found_in_order_and_within_bounds(subject: Subject) -> None:
    service = 'resource.labels.service_name="emonk-agent"'
    since = subject.clock.now() - timedelta(days=1)
    for _ in range(3):
        subject.write_line()
    logs = subject.ports.logs
    assert subject.soon(lambda: len(list(logs.entries(service, since=since))) >= 3)
    found = list(logs.entries(service, since=since))
    stamps = [entry.timestamp for entry in found]
    assert stamps == sorted(stamps)
    newest = list(logs.entries(service, since=since, newest_first=True, limit=2))
    assert [one.insert_id for one in newest] == [one.insert_id for one in found[::-1][:2]]
    assert not list(logs.entries(service, since=since, until=found[0].timestamp))
    assert not list(logs.entries(f'{service} AND "no such words"', since=since))
    assert found[0].resource["type"] == "cloud_run_revision"
    assert all(stamp.tzinfo is not None for stamp in stamps)


def test_numbers_of_a_line_are_what_the_service_wrote(
    subject: Subject, unpinned: Service, spec: TickJobSpec
) -> None:
    since = subject.clock.now() - timedelta(minutes=1)
    subject.ports.jobs.create(spec, paused=True)
    service = subject.ports.service
    service.activate("cloud", expected_epoch=service.driver().epoch)
    service.probe("POST", "/cron/tick", tick_token=True)
    query = 'jsonPayload.message="Scheduler tick completed"'

    def found() -> list[LogEntry]:
        return list(subject.ports.logs.entries(query, since=since))

    assert subject.soon(lambda: bool(found()))
    due = found()[0].payload["jobs_due"]
    assert (type(due), due >= 0) == (int, True)
    service.activate("legacy", expected_epoch=service.driver().epoch)


def test_refused_requests_are_left_out_of_a_search_by_the_same_words_everywhere(
    subject: Subject, unpinned: Service
) -> None:
    requests = 'log_id("run.googleapis.com/requests")'
    since = subject.clock.now() - timedelta(days=1)
    for query in (COMPLAINTS, f"NOT {requests} AND severity>=WARNING"):
        kept = list(subject.ports.logs.entries(query, since=since))
        assert all(one.severity != "INFO" for one in kept)
        assert not [one for one in kept if one.http and int(one.http["status"]) < 500]


def test_a_tail_gives_what_is_written_from_now_on(subject: Subject) -> None:
    found: list[LogEntry] = []

    def follow() -> None:
        while not found:
            stream = subject.ports.logs.tail('resource.type="cloud_run_revision"')
            found.extend(islice(stream, 1))

    begun = subject.clock.now()
    follower = Thread(target=follow)
    follower.start()
    for _ in range(200):
        subject.write_line()
        follower.join(0.1)
        if found:
            break
    follower.join(10.0)
    assert found[0].timestamp >= begun - timedelta(seconds=5)


def test_health_answers_and_strangers_are_refused(subject: Subject, unpinned: Service) -> None:
    service = subject.ports.service
    health = service.probe("GET", "/health")
    assert (health.status, health.by) == (200, "app")
    assert health.body["revision"] == unpinned.serving_revision
    assert service.probe("POST", "/cron/tick").status in (401, 403)
    assert service.probe("POST", "/webhook", {"message": {}}).status in (401, 403)


def test_a_tick_with_the_invoker_s_token_is_accepted(subject: Subject, unpinned: Service) -> None:
    answer = subject.ports.service.probe("POST", "/cron/tick", tick_token=True)
    assert answer.status == 200
    assert "jobs_executed" in answer.body


def test_each_change_of_driver_is_an_epoch_and_an_old_epoch_is_refused(
    subject: Subject, unpinned: Service
) -> None:
    service = subject.ports.service
    quiesced = service.quiesce(wait_seconds=5.0)
    assert service.driver().role == "quiesced"
    assert service.quiesce(wait_seconds=5.0).epoch == quiesced.epoch
    driving = service.activate("legacy", expected_epoch=quiesced.epoch)
    assert (driving.driver, driving.role) == ("legacy", "driving")
    assert driving.epoch == quiesced.epoch + 1
    assert driving.this_revision == driving.revision == unpinned.serving_revision
    with pytest.raises(Conflict):
        service.activate("legacy", expected_epoch=quiesced.epoch)


def test_exported_jobs_come_in_again_and_a_changed_document_is_refused_whole(
    subject: Subject, unpinned: Service
) -> None:
    service = subject.ports.service
    epoch = service.quiesce(wait_seconds=5.0).epoch
    document = service.export_jobs()
    assert document["format"] == "emonk-jobs/1"
    assert document["count"] == len(document["jobs"]) == len(tuple(service.list_jobs()))
    again = service.import_jobs(document)
    assert (again["imported"], again["unchanged"]) == (0, document["count"])
    assert again["checksum"] == document["checksum"]
    with pytest.raises(CloudError):
        service.import_jobs({**document, "checksum": "sha256:0"})
    assert service.export_jobs()["checksum"] == document["checksum"]
    service.activate("legacy", expected_epoch=epoch)


def test_a_job_is_scheduled_paused_resumed_and_cancelled_over_the_admin_api(
    subject: Subject, unpinned: Service
) -> None:
    service = subject.ports.service
    wanted = {"id": "by-hand", "type": "log", "schedule": {"cron": "0 3 1 1 *", "tz": "UTC"}}
    made = service.schedule_job(wanted)
    assert (made["id"], made["state"], made["fence"]) == ("by-hand", "scheduled", 0)
    with pytest.raises(Conflict):
        service.schedule_job(wanted)
    assert service.pause_job("by-hand")["state"] == "paused"
    assert service.resume_job("by-hand")["state"] == "scheduled"
    assert service.resume_job("by-hand")["state"] == "scheduled"
    facts = service.job_facts("by-hand")
    assert facts["job"]["id"] == "by-hand"
    assert facts["known_type"] is True
    assert facts["this_revision"] == unpinned.serving_revision
    nobody = service.release_job("by-hand", force=False, reason="")
    assert (nobody["released"], nobody["lease"]) == (False, None)
    assert service.cancel_job("by-hand")["state"] == "cancelled"
    assert service.job("by-hand")["state"] == "cancelled"
    after = [job["id"] for job in service.list_jobs(after="by-hand")]
    assert "by-hand" not in after
    assert len(after) < len(tuple(service.list_jobs()))


def test_a_job_that_is_not_there_is_not_found(subject: Subject, unpinned: Service) -> None:
    service = subject.ports.service
    for ask in (
        service.job,
        service.job_facts,
        service.cancel_job,
        service.pause_job,
        service.resume_job,
        lambda job_id: service.release_job(job_id, force=False, reason=""),
    ):
        with pytest.raises(NotFound):
            ask("no-such-job")


def test_a_policy_is_read_and_written_whole_conditions_included_and_never_over_anothers(
    subject: Subject,
) -> None:
    access = subject.ports.access
    before = access.policy()
    member = f"serviceAccount:emonk-agent@{subject.env.project}.iam.gserviceaccount.com"
    condition = Condition("emonk-ops fault x", 'request.time >= timestamp("2026-01-05T12:00:00Z")')
    added = Binding("roles/datastore.viewer", (member,), condition)
    after = access.set_policy(replace(before, bindings=(*before.bindings, added)))
    assert [one.condition and one.condition.title for one in after.bindings].count(
        "emonk-ops fault x"
    ) == 1
    assert added in access.policy().bindings
    with pytest.raises(Conflict):
        access.set_policy(before)
    access.set_policy(replace(access.policy(), bindings=before.bindings))
    assert set(access.policy().bindings) == set(before.bindings)


@pytest.mark.real_cloud
@pytest.mark.skipif(not os.environ.get(REAL_PROJECT), reason=f"{REAL_PROJECT} names no project")
@pytest.mark.parametrize("subject", ["real"], indirect=True)
def test_the_contract_above_ran_on_a_real_project_too(subject: Subject) -> None:
    assert subject.env.target is Target.GCP
    assert subject.ports.run.describe_service().uri.startswith("https://")
