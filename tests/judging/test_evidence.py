"""Evidence: what is kept judges as the log did, and a damaged file is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import StateDamaged
from emonk_ops.operations.analysis.records import (
    Attempt,
    Decision,
    Effect,
    Numbers,
    Record,
    Request,
    Run,
    Stopped,
    Tick,
)
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.evidence.again import judged_again
from emonk_ops.operations.evidence.codec import SCHEMA, Decoder, plain
from emonk_ops.operations.evidence.files import Evidence
from emonk_ops.operations.evidence.keeping import keep_shadow
from emonk_ops.operations.evidence.saving import ACCEPTANCE, BREACH
from emonk_ops.operations.evidence.thresholds import Thresholds
from emonk_ops.operations.judging.certificate import certificate
from emonk_ops.operations.judging.comparison import Comparison
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.shadow_acceptance import shadow_breached, shadow_findings
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.model import Finding
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox
from tests.judging.model import World

AT = datetime(2026, 1, 5, 0, 0, 5, 250, tzinfo=UTC)
ONE_OF_EACH: tuple[Record, ...] = (
    Tick(AT, "i", 1, "completed", "cron", "t", "r", 9.5, "cloud", Numbers(*range(11)), False),
    Tick(AT, "i", 1, "running", "cron", "t", "r", 0.0),
    Run(AT, "i", "succeeded", "digest", AT, 3, 1),
    Decision(AT, "i", 2, "skip", "cron", "loop", "digest", AT, 0.5, 3, AT, AT, True, "failed", 2.0),
    Decision(AT, "i", 2, "end", "cron", "loop", "digest", AT, 0.5, 3),
    Effect(AT, "i", "digest", AT, "key"),
    Request(AT, "/cron/tick", "POST", 200, 0.1, True),
    Attempt(AT, None, 200),
    Stopped(AT, "i", 7),
)


def kept(folder: Path, world: World, purpose: str) -> tuple[Evidence, dict[str, Finding]]:
    notes: list[dict[str, Any]] = []
    env = Environment("qa", Target.SANDBOX, "p")
    tools = Toolbox(
        env,
        InMemoryPorts(InMemoryWorld(jobs=())),
        folder,
        evidence=EvidenceFolder(folder),
        run_id="abc",
        note=lambda _kind, body: notes.append(dict(body)),
    )
    rules, jobs = world.rules(), world.definitions()
    with Spool.of(world.records()) as spool:
        found = judge(spool, jobs, rules, spool.seen)
        planted = certificate(spool, found, jobs, rules, spool.seen, "/cron/tick")
        verdicts = (
            shadow_breached(found)
            if purpose == BREACH
            else shadow_findings(Comparison(found, planted))
        )
        name = keep_shadow(tools, purpose, spool, rules, jobs, verdicts)
    (body,) = notes
    assert body["name"] == name
    return Evidence(name, (folder / name).read_bytes()), verdicts


@pytest.mark.parametrize("defect", ["none", "doubled", "lost", "one line lost", "error burst"])
def test_a_shadow_is_judged_again_to_the_same_words(tmp_path: Path, defect: str) -> None:
    evidence, verdicts = kept(tmp_path, World(7, 1, 2.0, defect=defect), ACCEPTANCE)
    again = judged_again(evidence, ACCEPTANCE, Thresholds())
    assert {name: (one.verdict, one.summary) for name, one in again.items()} == {
        name: (one.verdict, one.summary) for name, one in verdicts.items()
    }


def test_a_breach_is_judged_again(tmp_path: Path) -> None:
    evidence, verdicts = kept(tmp_path, World(7, 1, 2.0, defect="doubled"), BREACH)
    assert set(judged_again(evidence, BREACH, Thresholds())) == set(verdicts) == {"nothing-twice"}


def test_another_margin_changes_its_own_verdict_only(tmp_path: Path) -> None:
    evidence, verdicts = kept(tmp_path, World(7, 1, 5.2), ACCEPTANCE)
    wider = judged_again(evidence, ACCEPTANCE, Thresholds(shadow={"least_hours": 100.0}))
    changed = {name for name in verdicts if wider[name].verdict is not verdicts[name].verdict}
    assert "slots-are-told" in changed
    assert "durations" not in changed


def test_every_kind_of_record_comes_back_as_it_was() -> None:
    decode = Decoder(SCHEMA)
    for one in ONE_OF_EACH:
        assert decode(json.loads(json.dumps(plain(one)))) == one
    assert {type(one).__name__ for one in ONE_OF_EACH} == set(SCHEMA) - {"Numbers"}


def test_an_older_file_lacks_what_was_added_since() -> None:
    older = {**SCHEMA, "Tick": SCHEMA["Tick"][:8]}
    tick = Decoder(older)(plain(ONE_OF_EACH[1])[:9])
    assert tick == ONE_OF_EACH[1]


def test_a_newer_file_is_refused_by_name() -> None:
    with pytest.raises(StateDamaged, match="another shape: Tick"):
        Decoder({**SCHEMA, "Tick": (*SCHEMA["Tick"], "mood")})


Damage = Callable[[list[bytes]], list[bytes]]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut off": (lambda lines: lines[:-3], "cut off"),
    "a record gone": (lambda lines: lines[:5] + lines[6:], "records instead of"),
    "a stretch more": (lambda lines: [*lines[:-1], b'{"parts":2}'], "1 stretches instead of 2"),
    "no JSON": (lambda lines: [*lines[:4], b"x", *lines[5:]], "damaged"),
    "another format": (lambda lines: [b'{"format":"x/1"}', *lines[1:]], "format 'x/1'"),
    "empty": (lambda lines: [], "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused(tmp_path: Path, damage: str) -> None:
    evidence, _ = kept(tmp_path, World(7, 5, 2.0), ACCEPTANCE)
    path = tmp_path / evidence.name
    change, told = DAMAGES[damage]
    lines = change(gzip.decompress(path.read_bytes()).splitlines())
    blob = gzip.compress(b"".join(line + b"\n" for line in lines))
    with pytest.raises(StateDamaged, match=told):
        judged_again(Evidence(evidence.name, blob), ACCEPTANCE, Thresholds())


def test_what_is_no_gzip_is_refused() -> None:
    with pytest.raises(StateDamaged, match="e1 is damaged"):
        Evidence("e1", b"not compressed")


def test_payloads_of_jobs_are_not_kept(tmp_path: Path) -> None:
    evidence, _ = kept(tmp_path, World(7, 5, 2.0), ACCEPTANCE)
    (head,) = (part.head for part in evidence.parts())
    assert head["jobs"]
    assert all(job["payload"] == {} for job in head["jobs"])
