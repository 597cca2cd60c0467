"""The guide's lines against the table in the product, and the table against what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emonk_ops.operations import emergency, partial
from emonk_ops.operations.alerts.board import panels
from emonk_ops.operations.alerts.policies import policies
from emonk_ops.operations.clean_source import Source
from emonk_ops.operations.injection import catalogue
from emonk_ops.rollout.guide.listing import SECTIONS, listed
from emonk_ops.rollout.guide.model import Answer, By, Line, Section, Where
from emonk_ops.rollout.model import Stage, soak_check
from emonk_ops.rollout.registry import load_stage
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_file import read_settings
from emonk_ops.settings_sample import sample
from tests.docs.guide_lines import said_by_the_guide
from tests.unit.operations.injection_evidence import SOUND, Evidence

NUMBERS = range(6)
CAPTURED = {
    "revision": "a-1",
    "driver": "legacy",
    "loop": True,
    "env": {},
    "scheduler_job": None,
}
ROWS = [(section, line) for section in SECTIONS for line in section.lines]


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """As `init` writes them."""
    file = tmp_path_factory.mktemp("settings") / "emonk-ops.toml"
    file.write_text(sample(Target.SANDBOX))
    settings = read_settings(file, {}, {})
    return {name: settings.environment(name) for name in ("qa", "production")}


def test_the_table_has_each_line_of_the_guide_once_and_no_other() -> None:
    table = [(section.heading, section.title, line.text) for section, line in ROWS]
    assert table == said_by_the_guide()


def test_the_guide_is_read_to_its_end() -> None:
    said = said_by_the_guide()
    assert len({heading for heading, _, _ in said}) == 8
    assert sum(heading.startswith("Appendix") for heading, _, _ in said) == 18
    assert len(said) == 198


def stage_ids(stage: Stage, env: Environment) -> set[str]:
    soaks = (stage.soak_before(env), stage.soak(env))
    checks = (*stage.checks(env), *stage.verify(env), *stage.acceptance(env))
    return {
        *(soak_check(one).id for one in soaks if one is not None),
        *(one.id for one in checks),
        *(one.id for one in stage.plan(env)),
    }


def of_stage(answer: Answer, env: Environment) -> set[str]:
    assert answer.stage is not None
    return stage_ids(load_stage(answer.stage), env)


def of_source(_answer: Answer, env: Environment) -> set[str]:
    load_stage(5)
    from emonk_ops.stages.stage5_cleanup import with_source

    nowhere = Source(Path("source"), commands_in=cast("Any", None))
    return stage_ids(with_source(nowhere), env)


def of_rollback(answer: Answer, env: Environment) -> set[str]:
    assert answer.stage is not None
    inverse = load_stage(answer.stage).inverse
    assert inverse is not None
    return {one.id for one in inverse(env, CAPTURED)}


def of_emergency(_answer: Answer, env: Environment) -> set[str]:
    steps = (*emergency.first_steps(env), *emergency.next_steps(env, CAPTURED))
    return {one.id for one in steps}


def observed(parts: tuple[catalogue.Part, ...]) -> set[str]:
    """The injections of a suite, and what their judges say of a sound service."""
    found = set()
    for part in parts:
        found.add(part.injection)
        for evidence in (made() for made in SOUND):
            if stands_for(evidence, part):
                _, observations = catalogue.judged_again(evidence)
                found |= {f"{part.injection}/{one.id}" for one in observations}
    return found


def stands_for(evidence: Evidence, part: catalogue.Part) -> bool:
    """A restart is observed by other things in its other mode."""
    modes = (evidence["options"].get("mode"), part.options.get("mode"))
    same = evidence["injection"] == part.injection
    return same and (part.injection != "restart" or modes[0] == modes[1])


def of_qa_tests(_answer: Answer, env: Environment) -> set[str]:
    """What the suite observes on whichever storage QA runs."""
    sandbox = env.target is Target.SANDBOX
    suites = [catalogue.appendix(storage, sandbox) for storage in ("json", "firestore")]
    return observed(suites[0]) & observed(suites[1])


KNOWN: dict[By, Callable[[Answer, Environment], set[str]]] = {
    By.STAGE: of_stage,
    By.SOURCE: of_source,
    By.ROLLBACK: of_rollback,
    By.PARTIAL: lambda _answer, env: {one.id for one in partial.steps(env)},
    By.EMERGENCY: of_emergency,
    By.INJECTIONS: lambda _answer, _env: observed(catalogue.STAGE_4),
    By.QA_TESTS: of_qa_tests,
    By.ALERTS: lambda _answer, env: set(policies(env, [])),
    By.DASHBOARD: lambda _answer, env: set(panels(env)),
}


def unknown_ids(
    rows: list[tuple[Section, Line]], environments: dict[str, Environment]
) -> Iterator[str]:
    for _, line in rows:
        for name, env in environments.items():
            answer = line.answer(env)
            if answer is None:
                continue
            there = environments[env.gated_by] if answer.at_gate else env
            for one in set(answer.ids) - KNOWN[answer.by](answer, there):
                yield f"{name}: {line.text!r} is answered by {answer.by} {one}, which is not there"


def test_each_id_is_there_in_both_environments(environments: dict[str, Environment]) -> None:
    assert not list(unknown_ids(ROWS, environments))


def test_every_line_has_an_answer_and_says_where_it_has_none(
    environments: dict[str, Environment],
) -> None:
    without = {
        name: [line.text for _, line in ROWS if line.answer(env) is None]
        for name, env in environments.items()
    }
    assert without["production"] == []
    only_production = [
        *(line.text for line in SECTIONS[1].lines[4:]),
        *(line.text for line in SECTIONS[-1].lines),
    ]
    assert without["qa"] == only_production
    for name, env in environments.items():
        for number in NUMBERS:
            for one in listed(number, env):
                assert bool(one.ids) == bool(one.by) == (one.only == ""), (name, one)


@pytest.mark.parametrize("command", list(By))
def test_a_renamed_id_is_seen_whoever_answers(
    environments: dict[str, Environment], command: By
) -> None:
    rows = [
        (section, line) for section, line in ROWS if any(one.by is command for one in line.answers)
    ]
    section, line = rows[0]
    assert not list(unknown_ids(rows, environments))
    renamed = Line(
        line.text,
        tuple(
            Answer(one.by, (*one.ids, "renamed"), one.stage, one.where, one.at_gate)
            for one in line.answers
        ),
    )
    assert list(unknown_ids([(section, renamed)], environments))


def test_the_injections_tests_are_those_of_the_suite(
    environments: dict[str, Environment],
) -> None:
    """The suites call their parts as the guide does, one after the other."""
    section = next(one for one in SECTIONS if one.title == "Post-Deployment Tests (QA)")
    parts = catalogue.appendix("firestore", sandbox=True)
    assert [part.line for part in parts] == [line.text for line in section.lines]
    for part, line in zip(parts, section.lines, strict=True):
        for answer in line.answers:
            assert {one.split("/")[0] for one in answer.ids} == {part.injection}
    failures = next(one for one in SECTIONS if one.title == "Failure Injection Tests")
    said = [line.text.removesuffix(":") for line in failures.lines]
    assert {part.line for part in catalogue.STAGE_4} <= set(said)


def test_where_holds_for_the_environments_it_names() -> None:
    def env(**more: Any) -> Environment:
        return cast("Environment", SimpleNamespace(**{"only_driver": True, "gated_by": "", **more}))

    qa, production = env(), env(only_driver=False, gated_by="qa")
    assert {one for one in Where if one.holds(qa)} == {
        Where.EVERYWHERE,
        Where.TAKES_OVER,
        Where.FIRST,
    }
    assert {one for one in Where if one.holds(production)} == {
        Where.EVERYWHERE,
        Where.CANARY,
        Where.GATED,
    }
