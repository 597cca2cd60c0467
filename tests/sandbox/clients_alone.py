"""Google's clients against a sandbox, and nothing else: the only import of ours would be a cheat.

Usage: EMONK_SANDBOX_GRPC=127.0.0.1:PORT python clients_alone.py
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import grpc
from google.api_core import exceptions
from google.cloud import run_v2, scheduler_v1
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import LogEntry, TailLogEntriesRequest

T = TypeVar("T")
PROJECT = "projects/alone"
PARENT = f"{PROJECT}/locations/us-central1"
SERVICE = f"{PARENT}/services/greeter"
JOB = f"{PARENT}/jobs/greeter-tick"
STDOUT = f"{PROJECT}/logs/run.googleapis.com%2Fstdout"
WAIT = 30.0
GREETER = """
import http.server, json, os
class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        word = os.environ["WORD"].encode()
        print(json.dumps({"message": "Greeted", "path": self.path, "severity": "NOTICE",
                          "signed": "authorization" in self.headers}), flush=True)
        self.send_response(200)
        self.send_header("content-length", str(len(word)))
        self.end_headers()
        self.wfile.write(word)
    do_POST = do_GET
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Greeter).serve_forever()
"""


def main() -> int:
    with grpc.insecure_channel(os.environ["EMONK_SANDBOX_GRPC"]) as channel:
        uri = revisions_come_and_go(channel)
        a_job_lives_and_dies(channel, uri)
        logs_are_read_and_tailed(channel, uri)
    assert not [name for name in sys.modules if name.partition(".")[0] == "emonk_ops"]
    return 0


def revisions_come_and_go(channel: grpc.Channel) -> str:
    services: Any = client(run_v2.ServicesClient, channel)
    revisions: Any = client(run_v2.RevisionsClient, channel)
    made = services.create_service(
        parent=PARENT, service=greeter("one"), service_id="greeter", timeout=WAIT
    ).result(timeout=WAIT)
    first = short(made.latest_ready_revision)
    let_everybody_in(services)
    assert greeting(made.uri) == "one"
    say("deployed", first)

    changed = services.update_service(service=greeter("two", SERVICE), timeout=WAIT)
    second = short(changed.result(timeout=WAIT).latest_ready_revision)
    listed = {short(r.name) for r in revisions.list_revisions(parent=SERVICE, timeout=WAIT)}
    assert listed == {first, second}
    assert greeting(made.uri) == "two"
    say("deployed", second)

    route(services, {first: 50, second: 50})
    heard = {greeting(made.uri) for _ in range(60)}
    assert heard == {"one", "two"}, heard
    say("split", f"{first}=50 {second}=50")

    route(services, {first: 100})
    assert {greeting(made.uri) for _ in range(20)} == {"one"}
    statuses = services.get_service(name=SERVICE, timeout=WAIT).traffic_statuses
    assert [(s.revision, s.percent) for s in statuses] == [(first, 100)]
    say("rolled back", first)
    return str(made.uri)


def let_everybody_in(services: Any) -> None:
    policy = services.get_iam_policy({"resource": SERVICE}, timeout=WAIT)
    policy.bindings.add(role="roles/run.invoker", members=["allUsers"])
    services.set_iam_policy({"resource": SERVICE, "policy": policy}, timeout=WAIT)


def greeter(word: str, name: str = "") -> run_v2.Service:
    container = run_v2.Container(
        image="emonk-agent",
        command=[sys.executable, "-c", GREETER],
        env=[run_v2.EnvVar(name="WORD", value=word)],
    )
    scaling = run_v2.RevisionScaling(min_instance_count=1, max_instance_count=1)
    template = run_v2.RevisionTemplate(containers=[container], scaling=scaling)
    return run_v2.Service(name=name, template=template)


def route(services: Any, split: dict[str, int]) -> None:
    to_revision = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
    service = services.get_service(name=SERVICE, timeout=WAIT)
    service.traffic = [
        run_v2.TrafficTarget(type_=to_revision, revision=revision, percent=percent)
        for revision, percent in split.items()
    ]
    services.update_service(service=service, timeout=WAIT).result(timeout=WAIT)


def a_job_lives_and_dies(channel: grpc.Channel, uri: str) -> None:
    jobs: Any = client(scheduler_v1.CloudSchedulerClient, channel)
    account = "tick@alone.iam.gserviceaccount.com"
    target = scheduler_v1.HttpTarget(
        uri=f"{uri}/cron/tick",
        oidc_token=scheduler_v1.OidcToken(service_account_email=account),
    )
    job = scheduler_v1.Job(name=JOB, schedule="0 0 1 1 *", time_zone="Etc/UTC", http_target=target)
    assert jobs.create_job(parent=PARENT, job=job, timeout=WAIT).state.name == "ENABLED"
    assert jobs.pause_job(name=JOB, timeout=WAIT).state.name == "PAUSED"
    assert jobs.resume_job(name=JOB, timeout=WAIT).state.name == "ENABLED"
    jobs.run_job(name=JOB, timeout=WAIT)
    done = eventually(lambda: finished(jobs.get_job(name=JOB, timeout=WAIT)))
    assert done.status.code == 0, done.status
    assert [j.name for j in jobs.list_jobs(parent=PARENT, timeout=WAIT)] == [JOB]
    jobs.delete_job(name=JOB, timeout=WAIT)
    try:
        jobs.get_job(name=JOB, timeout=WAIT, retry=None)
    except exceptions.NotFound:
        say("job", "created, paused, resumed, run and deleted")
    else:
        raise AssertionError("the deleted job is still there")


def finished(job: Any) -> Any | None:
    return job if "last_attempt_time" in job and "status" in job else None


def logs_are_read_and_tailed(channel: grpc.Channel, uri: str) -> None:
    logs: Any = client(LoggingServiceV2Client, channel)
    ticked = f'logName="{STDOUT}" AND jsonPayload.path="/cron/tick" AND severity=NOTICE'
    entry = eventually(lambda: next(iter(found(logs, ticked)), None))
    assert entry.json_payload["signed"] is True
    assert entry.resource.labels["service_name"] == "greeter"
    ended = 'resource.type="cloud_scheduler_job" jsonPayload.@type:AttemptFinished'
    assert len(found(logs, ended)) == 1
    say("read", entry.json_payload["message"])

    asked: queue.Queue[TailLogEntriesRequest | None] = queue.Queue()
    request = TailLogEntriesRequest(
        resource_names=[PROJECT],
        filter='jsonPayload.path="/tailed" OR textPayload:"by hand"',
        buffer_window=timedelta(0),
    )
    asked.put(request)
    heard: queue.Queue[Any] = queue.Queue()
    listener = threading.Thread(target=listen, args=(logs, asked, heard))
    listener.start()
    eventually(lambda: poke(logs, uri, heard), pause=0.2)
    listener.join(WAIT)
    asked.put(None)
    say("tailed", "an entry of the service and one of our own")


def poke(logs: Any, uri: str, heard: queue.Queue[Any]) -> bool | None:
    """Cause one entry of each kind; True once both kinds came through the tail."""
    greeting(f"{uri}/tailed")
    own = LogEntry(text_payload="written by hand", resource={"type": "global"})
    logs.write_log_entries(log_name=f"{PROJECT}/logs/own", entries=[own], timeout=WAIT)
    return True if kinds(heard) == {"text", "json"} else None


def listen(logs: Any, asked: queue.Queue[Any], heard: queue.Queue[Any]) -> None:
    """Google's client gives the tail out only with its first answer: hence a thread of its own."""
    answers = logs.tail_log_entries(requests=iter(asked.get, None), timeout=WAIT)
    for answer in answers:
        for entry in answer.entries:
            heard.put(entry)
        if kinds(heard) == {"text", "json"}:
            answers.cancel()
            return


def kinds(heard: queue.Queue[Any]) -> set[str]:
    return {("text" if entry.text_payload else "json") for entry in list(heard.queue)}


def found(logs: Any, query: str) -> list[Any]:
    request = {"resource_names": [PROJECT], "filter": query, "page_size": 100}
    return list(logs.list_log_entries(request=request, timeout=WAIT))


def client(kind: Any, channel: grpc.Channel) -> Any:
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def greeting(uri: str) -> str:
    with urllib.request.urlopen(uri, timeout=WAIT) as response:
        text: str = response.read().decode()
    return text


def short(name: str) -> str:
    return name.rpartition("/")[2]


def eventually(probe: Callable[[], T | None], pause: float = 0.05) -> T:
    ends = time.monotonic() + WAIT
    while (result := probe()) is None:
        if time.monotonic() > ends:
            raise AssertionError("nothing came in time")
        time.sleep(pause)
    return result


def say(what: str, which: str) -> None:
    sys.stdout.write(f"{what}: {which}\n")


if __name__ == "__main__":
    raise SystemExit(main())
