from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.run_v2.types import EnvVar

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.clock import real_seconds
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.sandbox.firestore.differences import DIFFERENCES, as_table

ALONE = Path(__file__).with_name("firestore_clients_alone.py")
NO_RETRY: dict[str, Any] = {"retry": None, "timeout": 20}
Connect = Callable[..., Any]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Google's client for a project, as `sandbox env` sets it up."""
    made: list[Any] = []

    def client(endpoint: Endpoint, project: str = "emonk-qa") -> Any:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", endpoint.grpc)
        made.append(firestore.Client(project=project))
        return made[-1]

    yield client
    for one in made:
        one.close()


def test_google_s_clients_alone_do_what_their_documentation_says(firestore_address: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ALONE)],
        env=os.environ | {"FIRESTORE_EMULATOR_HOST": firestore_address, "GRPC_VERBOSITY": "NONE"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 11


def test_documents_survive_down_and_up_and_a_kill(
    launch: Callable[..., Endpoint], connect: Connect
) -> None:
    first = launch(clock="real")
    client = connect(first)
    client.document("a/b").set({"n": 1, "in": {"x": [None, 1.5, b"\xff"]}})
    client.document("a/gone").set({})
    client.document("a/gone").delete()
    launcher.end(Path(first.directory))
    second = launch(clock="real")
    client = connect(second)
    held = client.document("a/b").get()
    assert held.to_dict() == {"n": 1, "in": {"x": [None, 1.5, b"\xff"]}}
    written = client.document("a/b").set({"n": 2})
    assert written.update_time > held.update_time
    os.kill(second.pid, signal.SIGKILL)
    launcher.end(Path(second.directory))
    client = connect(launch(clock="real"))
    found = client.document("a/b").get()
    assert (found.get("n"), found.update_time) == (2, written.update_time)
    assert [
        one.id for one in client.collection("a").where(filter=FieldFilter("n", ">", 1)).get()
    ] == ["b"]


def test_every_answer_has_a_time_of_its_own_though_the_world_s_clock_stands_still(
    launch: Callable[..., Endpoint], connect: Connect
) -> None:
    endpoint = launch(clock="virtual")
    client = connect(endpoint)
    now = datetime.fromisoformat(launcher.call(endpoint, "GET", "/sandbox/clock")["now"])
    times = [client.document("a/b").set({"n": number}).update_time for number in range(5)]
    assert times == sorted(set(times))
    assert times[-1] - now < timedelta(seconds=5)
    read = client.document("a/b").get()
    assert read.update_time == times[-1] <= read.read_time


def begun(client: Any, path: str) -> Any:
    transaction = client.transaction()
    transaction._begin()
    client.document(path).get(transaction=transaction)
    return transaction


def test_a_write_waits_for_a_reader_and_gives_up(
    firestore_embedded: Endpoint, connect: Connect
) -> None:
    client = connect(firestore_embedded, f"p-{secrets.token_hex(6)}")
    client.document("a/b").set({"n": 1})
    transaction = begun(client, "a/b")
    began = real_seconds()
    with pytest.raises(exceptions.Aborted, match="lock timeout"):
        client.document("a/b").set({"n": 2}, **NO_RETRY)
    assert real_seconds() - began > 1.9
    transaction._rollback()
    client.document("a/b").set({"n": 3}, **NO_RETRY)


def test_of_two_that_wait_for_each_other_the_later_is_aborted_at_once(
    firestore_embedded: Endpoint, connect: Connect
) -> None:
    client = connect(firestore_embedded, f"p-{secrets.token_hex(6)}")
    reference = client.document("a/b")
    reference.set({"n": 1})
    first, second = begun(client, "a/b"), begun(client, "a/b")
    first.update(reference, {"n": 2})
    second.update(reference, {"n": 3})
    outcomes: list[str] = []

    def commit(transaction: Any) -> None:
        try:
            transaction._commit()
            outcomes.append("committed")
        except exceptions.Aborted:
            outcomes.append("aborted")

    began = real_seconds()
    threads = [threading.Thread(target=commit, args=(one,)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["aborted", "committed"]
    assert real_seconds() - began < 30
    assert reference.get().get("n") in (2, 3)


def test_a_query_in_a_transaction_sees_no_phantoms(
    firestore_embedded: Endpoint, connect: Connect
) -> None:
    client = connect(firestore_embedded, f"p-{secrets.token_hex(6)}")
    transaction = client.transaction()
    transaction._begin()
    query = client.collection("a").where(filter=FieldFilter("n", "==", 1))
    assert query.get(transaction=transaction) == []
    with pytest.raises(exceptions.Aborted):
        client.document("a/new").create({"n": 1}, **NO_RETRY)
    client.document("other/new").create({"n": 1}, **NO_RETRY)
    transaction._rollback()


def test_an_abandoned_transaction_blocks_for_a_minute_of_the_world_s_time(
    launch: Callable[..., Endpoint], connect: Connect
) -> None:
    endpoint = launch(clock="virtual")
    client = connect(endpoint)
    client.document("a/b").set({"n": 1})
    transaction = begun(client, "a/b")
    with pytest.raises(exceptions.Aborted):
        client.document("a/b").set({"n": 2}, **NO_RETRY)
    launcher.call(endpoint, "POST", "/sandbox/clock/advance", {"seconds": 61}, seconds=20)
    client.document("a/b").set({"n": 3}, **NO_RETRY)
    with pytest.raises(exceptions.InvalidArgument, match="invalid or closed"):
        client.document("a/b").get(transaction=transaction, **NO_RETRY)


def test_reset_forgets_documents(launch: Callable[..., Endpoint], connect: Connect) -> None:
    endpoint = launch(clock="virtual")
    client = connect(endpoint)
    client.document("a/b").set({"n": 1})
    launcher.call(endpoint, "POST", "/sandbox/reset", {}, seconds=20)
    assert not client.document("a/b").get().exists
    assert list(client.collections()) == []


def test_a_service_that_the_sandbox_runs_keeps_its_jobs_there(cloud: Any, connect: Connect) -> None:
    service = cloud.service("emonk-agent")
    # The account that a project's policy gives datastore.user to from the start.
    service.template.service_account = f"emonk-agent@{cloud.project}.iam.gserviceaccount.com"
    service.template.containers[0].env = [
        EnvVar(name=name, value=value)
        for name, value in {
            "SCHEDULER_STORAGE": "firestore",
            "SCHEDULER_HANDLERS": "emonk_ops.sandbox.demo_jobs",
            "VERTEX_AI_PROJECT_ID": cloud.project,
            "TICK_AUDIENCE": "https://agent.example",
            "TICK_INVOKER": "tick@my-project.iam.gserviceaccount.com",
            "ENVIRONMENT": "qa",
        }.items()
    ]
    service.template.scaling.min_instance_count = 1
    cloud.create(service, "agent")
    client = connect(cloud.endpoint, cloud.project)
    cloud.until(lambda: list(client.collection("scheduler_jobs").limit(1).get()), seconds=30)


def test_what_differs_from_google_s_emulator_is_one_table() -> None:
    assert len({one.what for one in DIFFERENCES}) == len(DIFFERENCES)
    assert all(one.why for one in DIFFERENCES)
    assert as_table().count("\n") == len(DIFFERENCES) + 2
