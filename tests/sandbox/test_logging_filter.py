from __future__ import annotations

import contextlib
import importlib
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.sandbox.logging.entry_fields import nanoseconds
from emonk_ops.sandbox.logging.errors import FilterError
from emonk_ops.sandbox.logging.filter_bounds import bounds_of
from emonk_ops.sandbox.logging.filter_lexer import tokens_of
from emonk_ops.sandbox.logging.filter_match import compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.sandbox.logging.filter_tree import And, Comparison, Literal, Node, Not, Or, Term

TICK = {
    "logName": "projects/emonk-qa/logs/run.googleapis.com%2Fstdout",
    "resource": {
        "type": "cloud_run_revision",
        "labels": {"service_name": "emonk-agent", "revision_name": "emonk-agent-00002-abc"},
    },
    "jsonPayload": {
        "message": "Scheduler tick completed",
        "jobs_due": 2,
        "shadow": False,
        "driver": {"name": "cloud", "a.b": "dotted"},
        "errors": [{"type": "Timeout", "count": 3}, {"type": "Refused", "count": 1}],
        "nothing": None,
    },
    "timestamp": "2026-01-05T10:00:00.250Z",
    "severity": "WARNING",
    "insertId": "abc",
    "labels": {"instanceId": "0077", "compute.googleapis.com/name": "vm-1"},
    "httpRequest": {
        "requestUrl": "http://127.0.0.1/cron/tick?x=1",
        "status": 503,
        "latency": "1.5s",
        "remoteIp": "10.1.2.3",
    },
}


def entry_of(value: dict[str, Any]) -> Any:
    return json_format.ParseDict(value, LogEntry.pb()())


def matches(query: str, entry: dict[str, Any] = TICK) -> bool:
    return compile_filter(parse_filter(query))(entry_of(entry))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- only a remark",
        'resource.type="cloud_run_revision" AND resource.labels.service_name="emonk-agent"',
        'resource.type = cloud_run_revision\nresource.labels.service_name = "EMONK-agent"',
        "severity>=WARNING",
        "severity>=warning",
        "severity=400",
        "severity!=ERROR",
        "severity=~W.*G",
        "severity=(ERROR OR WARNING)",
        "jsonPayload.message:scheduler",
        'jsonPayload.message:("tick" AND "completed")',
        'jsonPayload.message = ("Scheduler tick completed" OR "Running scheduler tick")',
        'jsonPayload.message:(-"failed")',
        'jsonPayload.message=~"^Scheduler .* completed$"',
        'jsonPayload.message=~"\\bTICK\\b" OR jsonPayload.message=~"(?i)TICK"',
        "jsonPayload.message!~failed",
        "jsonPayload.jobs_due=2",
        'jsonPayload.jobs_due="2"',
        "jsonPayload.jobs_due>1.5",
        "jsonPayload.jobs_due>-5",
        "jsonPayload.shadow=false",
        "jsonPayload.driver.name=cloud",
        'jsonPayload.driver."a.b"="dotted"',
        'jsonPayload.errors.type="refused"',
        "jsonPayload.errors.count>2",
        "jsonPayload.driver:*",
        "jsonPayload.nothing:*",
        "jsonPayload.nothing=NULL_VALUE",
        "jsonPayload:dotted",
        "NOT jsonPayload.absent:*",
        "NOT jsonPayload.absent=1",
        "-jsonPayload.absent=1",
        'labels."compute.googleapis.com/name"="vm-1"',
        "labels.compute.googleapis.com/name=vm-1",
        "labels.instanceId:00",
        'logName="projects/emonk-qa/logs/run.googleapis.com%2Fstdout"',
        "log_name:run.googleapis.com",
        'log_id("run.googleapis.com/stdout")',
        'timestamp>="2026-01-05T10:00:00Z" timestamp<"2026-01-05T12:00:01+02:00"',
        'timestamp>="2026-01-05"',
        'timestamp="2026-01-05T10:00:00.250000000Z"',
        "httpRequest.status>=500",
        "http_request.status=503",
        'httpRequest.latency>="1s"',
        "httpRequest.latency<2",
        'httpRequest.requestUrl=~"/cron/tick\\?x"',
        "httpRequest:*",
        'ip_in_net(httpRequest.remoteIp, "10.0.0.0/8")',
        "sample(insertId, 1)",
        'SEARCH("tick scheduler")',
        '"tick completed"',
        "emonk-agent",
        "-nowhere",
        "scheduler AND completed",
        'textPayload=""',
        "trace!=x",
        "NOT trace:*",
        "severity=ERROR OR severity=WARNING jsonPayload.jobs_due=2",
        "NOT severity=ERROR AND NOT severity=INFO",
        "NOT (severity=ERROR OR severity=INFO)",
    ],
)
def test_a_tick_entry_matches(query: str) -> None:
    assert matches(query)


@pytest.mark.parametrize(
    "query",
    [
        "severity>WARNING",
        "severity=DEFAULT",
        "jsonPayload.message=~SCHEDULER",
        "jsonPayload.message:scheduler jsonPayload.jobs_due=3",
        "jsonPayload.absent!=1",
        "jsonPayload.absent=1",
        "jsonPayload.absent:*",
        "jsonPayload.absent!~x",
        'jsonPayload.message=("a" OR "b")',
        'jsonPayload.message:"*"',
        "jsonPayload.jobs_due=two",
        "jsonPayload.shadow=true",
        "labels.absent=x",
        "trace:*",
        "operation:*",
        'textPayload:"tick"',
        'timestamp>"2026-01-05T10:00:00.250Z"',
        'httpRequest.latency<"1500ms"',
        'ip_in_net(httpRequest.remoteIp, "192.168.0.0/16")',
        "sample(insertId, 0)",
        'SEARCH("sched")',
        "and",
        'log_id("run.googleapis.com/stderr")',
        "severity=ERROR OR severity=WARNING jsonPayload.jobs_due=3",
        "-emonk-agent",
    ],
)
def test_a_tick_entry_does_not_match(query: str) -> None:
    assert not matches(query)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("timestamp>=2026-01-05T10:00:00Z", "syntax error at line 1, column 25, token ':'"),
        ("severity>=ERROR AND", "syntax error at line 1, column 20, token '<end of filter>'"),
        ("severity>=ERROR\n  )", "syntax error at line 2, column 3, token ')'"),
        ("(severity>=ERROR", "token '<end of filter>'"),
        ("severity>=", "token '<end of filter>'"),
        ("a = b = c", "token '='"),
        ('jsonPayload.a="open', "unterminated string literal at line 1, column 15"),
        ("thud=1", "Field not found: 'thud'"),
        ("operation.thud=1", "Field not found: 'operation.thud'"),
        ("textPayload.thud=1", "Field not found: 'textPayload.thud'"),
        ("severity>=LOUD", "'LOUD' is not a severity"),
        ('timestamp>="yesterday"', "'yesterday' is not a timestamp"),
        ('timestamp>="2026-02-30"', "'2026-02-30' is not a timestamp"),
        ("httpRequest.status=high", "'high' is not a number"),
        ('jsonPayload.a=~"("', "invalid regular expression"),
        ('jsonPayload.a=~"(?=x)"', "not in RE2 syntax"),
        ("trace_sampled=maybe", "a boolean field compares"),
        ("resource=x", "does not apply to a message field"),
        ('frob("x")', "unknown function 'frob'"),
        ("log_id()", "wrong arguments for function 'log_id'"),
        ("(" * 200 + "a" + ")" * 200, "nested deeper than 100"),
        ("a" * 20_001, "longer than 20000"),
        ("severity ! ERROR", "token '!'"),
    ],
)
def test_a_bad_filter_is_refused_with_its_reason(query: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        matches(query)
    assert caught.value.message.startswith("Unparseable filter: ")
    assert said in caught.value.message


def test_an_audit_entry_is_searched_by_the_names_of_its_json_form() -> None:
    make_audit_log: Any = importlib.import_module("google.cloud.audit.audit_log_pb2").AuditLog
    audit = make_audit_log(
        service_name="firestore.googleapis.com", method_name="Commit", num_response_items=3
    )
    entry = LogEntry.pb()(log_name="projects/p/logs/cloudaudit.googleapis.com%2Fdata_access")
    entry.proto_payload.Pack(audit)

    def found(query: str) -> bool:
        return compile_filter(parse_filter(query))(entry)

    assert found('protoPayload.serviceName="firestore.googleapis.com"')
    assert found("protoPayload.methodName:comm protoPayload.@type:AuditLog")
    assert found('"firestore.googleapis.com" protoPayload.numResponseItems=3')
    assert not found("protoPayload.methodName=Listen")
    assert not found("jsonPayload.methodName:*")
    entry.proto_payload.type_url = "type.googleapis.com/unknown.Type"
    assert found('protoPayload.@type="type.googleapis.com/unknown.Type"')


def test_not_binds_before_or_and_or_before_and() -> None:
    def one(name: str) -> Term:
        return Term(name)

    assert parse_filter("a OR NOT b AND NOT c OR d") == And(
        (Or((one("a"), Not(one("b")))), Or((Not(one("c")), one("d"))))
    )


def test_a_filter_tells_the_store_what_it_needs_in_any_case() -> None:
    tree = parse_filter(
        'timestamp>="2026-01-05T00:00:00Z" timestamp<"2026-01-06T00:00:00Z"'
        ' severity>=ERROR (log_id("a/b") OR logName="projects/p/logs/c%2Fd")'
    )
    bounds = bounds_of(tree)
    assert bounds.until - bounds.since == 86_400 * 10**9
    assert bounds.severity == 500
    assert bounds.log_ids == frozenset({"a/b", "c/d"})


_LETTERS = "aB9 .*-:=<>()\"'\\\n\té€"
_NAMES = st.sampled_from(["severity", "jsonPayload.jobs_due", "timestamp", "labels.x", "trace"])
_VALUES = {
    "severity": st.sampled_from(["INFO", "WARNING", "ERROR"]),
    "jsonPayload.jobs_due": st.integers(0, 4).map(str),
    "timestamp": st.integers(0, 59).map(lambda s: f"2026-01-05T10:00:{s:02d}Z"),
    "labels.x": st.sampled_from(["one", "two", 'with "quotes" \\ and : signs']),
    "trace": st.text(alphabet=_LETTERS, max_size=4),
}


@st.composite
def _comparisons(draw: st.DrawFn) -> Node:
    name = draw(_NAMES)
    sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
    return Comparison(tuple(name.split(".")), sign, Literal(draw(_VALUES[name]), True))


_TREES: st.SearchStrategy[Node] = st.recursive(
    _comparisons(),
    lambda inner: st.one_of(
        inner.filter(lambda node: not isinstance(node, Not)).map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda o: And(tuple(o))),
        st.lists(inner, min_size=2, max_size=3).map(lambda o: Or(tuple(o))),
    ),
    max_leaves=8,
)


def _written(node: Node) -> str:
    match node:
        case And(operands):
            return "(" + " AND ".join(map(_written, operands)) + ")"
        case Or(operands):
            return "(" + " OR ".join(map(_written, operands)) + ")"
        case Not(operand):
            return "NOT " + _written(operand)
        case Comparison(field, operator, literal):
            value = literal.text.replace("\\", "\\\\").replace('"', '\\"')
            return f'{".".join(field)}{operator}"{value}"'
    raise AssertionError(node)


@given(_TREES)
def test_a_written_tree_parses_to_itself(tree: Node) -> None:
    assert parse_filter(_written(tree)) == tree


@given(
    _TREES,
    st.integers(0, 59),
    st.sampled_from([0, 200, 400, 500]),
    st.one_of(st.none(), st.integers(0, 4)),
)
def test_what_matches_is_within_the_bounds(
    tree: Node, second: int, severity: int, due: int | None
) -> None:
    entry = entry_of(
        {
            "logName": "projects/p/logs/x",
            "timestamp": f"2026-01-05T10:00:{second:02d}Z",
            "severity": severity,
            "jsonPayload": {} if due is None else {"jobs_due": due},
        }
    )
    bounds = bounds_of(tree)
    if compile_filter(tree)(entry):
        assert bounds.since <= nanoseconds(entry.timestamp) <= bounds.until
        assert entry.severity >= bounds.severity


_WORDS = ["jsonPayload", "labels", "severity", "resource", "httpRequest.latency", "timestamp"]
_SIGNS = ["!=", "=~", "!~", ">=", " AND ", " OR ", "NOT ", "log_id(", *".:=<>()\"'\\-,* a1\n"]
_PIECES = st.sampled_from([*_WORDS, *_SIGNS])


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_any_text_is_parsed_or_refused_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(FilterError):
        compile_filter(parse_filter(text))(entry_of(TICK))


@given(st.text(alphabet=_LETTERS, max_size=30))
def test_a_quoted_text_is_one_token(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    tokens = tokens_of(f'"{escaped}"')
    assert [token.text for token in tokens] == [text, ""]
