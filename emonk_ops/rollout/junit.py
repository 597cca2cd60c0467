"""A stage's run as a JUnit report: a suite per phase, a case per check or step."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from emonk_ops.rollout.model import CheckResult, Verdict
from emonk_ops.rollout.report import StageReport, StepOutcome

NOT_XML = {code: None for code in range(32) if code not in (9, 10, 13)}


def to_junit(report: StageReport) -> str:
    forced = ", forced past a gate" if report.forced else ""
    root = Xml.Element("testsuites", name=f"stage {report.stage} in {report.env}{forced}")
    for phase, results in report.phases.items():
        if results:
            _check_suite(root, report, phase, results)
        if phase == "checks" and report.steps:
            _step_suite(root, report, "steps", report.steps)
    if report.rollback is not None:
        _step_suite(root, report, "rollback", list(report.rollback.outcomes))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _check_suite(
    root: Xml.Element, report: StageReport, phase: str, results: list[CheckResult]
) -> None:
    suite = _suite(root, report, phase, sum(result.seconds for result in results))
    for result in results:
        case = _case(suite, report, phase, result.check.id, result.seconds)
        finding = result.finding
        text = _clean(f"{result.check.sentence}: {finding.summary}")
        if not result.holds:
            tag = "error" if finding.verdict is Verdict.ERROR else "failure"
            Xml.SubElement(case, tag, type=str(finding.verdict), message=text).text = _clean(
                finding.hint
            )
        elif result.advisory and finding.verdict is not Verdict.PASS:
            Xml.SubElement(case, "skipped", message=f"advisory {finding.verdict}: {text}")
        Xml.SubElement(case, "system-out").text = text
    _count(suite)


def _step_suite(
    root: Xml.Element, report: StageReport, phase: str, outcomes: list[StepOutcome]
) -> None:
    suite = _suite(root, report, phase, sum(outcome.seconds for outcome in outcomes))
    for outcome in outcomes:
        case = _case(suite, report, phase, outcome.step.id, outcome.seconds)
        if outcome.error is not None:
            message = _clean(outcome.error.message)
            Xml.SubElement(case, "failure", type=outcome.error.code, message=message)
        elif outcome.result is not None:
            Xml.SubElement(case, "system-out").text = _clean(outcome.result.summary)
    _count(suite)


def _suite(root: Xml.Element, report: StageReport, phase: str, seconds: float) -> Xml.Element:
    suite = Xml.SubElement(
        root, "testsuite", name=f"stage {report.stage} {phase}", time=f"{seconds:.3f}"
    )
    properties = Xml.SubElement(suite, "properties")
    Xml.SubElement(properties, "property", name="env", value=report.env)
    return suite


def _case(
    suite: Xml.Element, report: StageReport, phase: str, name: str, seconds: float
) -> Xml.Element:
    return Xml.SubElement(
        suite,
        "testcase",
        classname=f"{report.env}.stage{report.stage}.{phase}",
        name=name,
        time=f"{seconds:.3f}",
    )


def _count(suite: Xml.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))


def _clean(text: str) -> str:
    return text.translate(NOT_XML)
