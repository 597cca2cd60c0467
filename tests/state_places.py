"""The places of an environment's state, as one or several machines see them.

As a program it is another process of such a machine:

    python -m tests.state_places FOLDER ADDRESS PROJECT write NAME COUNT [KILL-AT]
    python -m tests.state_places FOLDER ADDRESS PROJECT hold RUN
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from emonk_ops.clock import SystemClock
from emonk_ops.errors import Locked
from emonk_ops.gcp.firestore_state import PAGE, FirestoreDocuments
from emonk_ops.rollout.document_lock import DocumentLock
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.rollout.mirrored_journal import MirroredJournal
from emonk_ops.rollout.places import JournalPlace, LockPlace
from emonk_ops.rollout.reach import Reach
from emonk_ops.rollout.shared_evidence import SharedEvidence
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.settings import Environment, Target

Listener = Callable[[str, int], None]
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class StatePlace:
    """`address` is a Firestore's host:port; "" for a file, which all machines then share."""

    folder: Path
    address: str = ""
    project: str = field(default_factory=lambda: f"test-{secrets.token_hex(6)}")

    @property
    def shared(self) -> bool:
        return bool(self.address)

    def machine(self, name: str) -> Path:
        return self.folder / name if self.shared else self.folder / "one"

    def documents(self, *, page: int = PAGE) -> FirestoreDocuments:
        # An environment of the sandbox: what is meant is that Firestore is at an address.
        env = Environment(
            "qa", Target.SANDBOX, "emonk-qa", sandbox_grpc=self.address, sandbox_http=NOWHERE
        )
        key = "qa-sandbox-emonk-qa"
        return FirestoreDocuments(env, self.project, "(default)", key, page=page)

    def reach(self, machine: str = "a", *, rest_seconds: float = 0.0) -> Reach:
        note = self.machine(machine) / "unreachable.json"
        return Reach(self.documents(), note, SystemClock(), rest_seconds=rest_seconds)

    def journal(
        self,
        machine: str = "a",
        *,
        listener: Listener | None = None,
        rest_seconds: float = 0.0,
        then: Callable[[], None] = lambda: None,
    ) -> JournalPlace:
        folder = self.machine(machine)
        if not self.shared:
            return Journal(folder / "journal.jsonl", clock=SystemClock(), listener=listener)
        reach = self.reach(machine, rest_seconds=rest_seconds)
        return MirroredJournal(reach, folder, clock=SystemClock(), listener=listener, then=then)

    def lock(
        self, machine: str = "a", *, ttl_seconds: float = 60.0, heartbeat_seconds: float = 15.0
    ) -> LockPlace:
        if not self.shared:
            path = self.machine(machine) / "lock.json"
            return Lock(
                path,
                clock=SystemClock(),
                ttl_seconds=ttl_seconds,
                heartbeat_seconds=heartbeat_seconds,
            )
        return DocumentLock(
            self.reach(machine), ttl_seconds=ttl_seconds, heartbeat_seconds=heartbeat_seconds
        )

    def evidence(self, machine: str = "a") -> SharedEvidence:
        return SharedEvidence(self.reach(machine), self.machine(machine) / "evidence")

    def command(self, *words: str) -> list[str]:
        """The command line of another process; it starts in the repository's folder."""
        place = (str(self.folder), self.address or "-", self.project)
        return [sys.executable, "-m", "tests.state_places", *place, *words]


ROOT = Path(__file__).parents[1]
FIRESTORE = "google.firestore.v1.Firestore/*"


class FailingFirestore:
    """A real one in the sandbox, told to fail."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self.place = StatePlace(folder, endpoint.grpc)
        self._url = f"{endpoint.http}/sandbox/faults"

    def fails(self, method: str = FIRESTORE, code: str = "UNAVAILABLE", **more: Any) -> None:
        self._post("", {"method": method, "code": code, **more})

    def is_back(self) -> None:
        self._post("/clear", {})

    @contextmanager
    def down(self) -> Iterator[None]:
        self.fails()
        try:
            yield
        finally:
            self.is_back()

    def _post(self, path: str, content: dict[str, Any]) -> None:
        answer = httpx.post(f"{self._url}{path}", json=content, timeout=10, trust_env=False)
        answer.raise_for_status()


class Killer:
    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def __call__(self, _phase: str, _seq: int) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def _write(place: StatePlace, name: str, count: int, kill_at: int) -> None:
    journal = place.journal(name, listener=Killer(kill_at))
    for number in range(count):
        journal.append(run=name, kind="note", who={"actor": name}, body={"n": number})


def _hold(place: StatePlace, run: str) -> None:
    lock = place.lock(run)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        with lock.held(identify({"EMONK_ACTOR": run}, ()), reason="race", run=run):
            sys.stdout.write("held\n")
            sys.stdout.flush()
            sys.stdin.readline()
    except Locked:
        sys.stdout.write("refused\n")
        sys.stdout.flush()


def _main(folder: str, address: str, project: str, action: str, *rest: str) -> None:
    place = StatePlace(Path(folder), "" if address == "-" else address, project)
    if action == "hold":
        _hold(place, rest[0])
    else:
        _write(place, rest[0], int(rest[1]), int(rest[2]) if len(rest) > 2 else 0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
