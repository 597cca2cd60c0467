"""The REST wire by itself: paths, JSON, errors and streams, over handlers made here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1 import types as firestore
from google.cloud.scheduler_v1 import types as scheduler

from emonk_ops.sandbox.http_server import Request, Response
from emonk_ops.sandbox.rest.templates import Template
from emonk_ops.sandbox.rest.wire import RestWire

PARENT = "projects/p/locations/l"
JOB = f"{PARENT}/jobs/j"
ROOT = "projects/p/databases/(default)/documents"


class Echo:
    """Handlers that remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def job(self, request: Any, _context: Any) -> Any:
        self.asked.append(request)
        return scheduler.Job.pb()(name=JOB, state=scheduler.Job.State.PAUSED)

    async def refuse(self, _request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")

    async def document(self, request: Any, _context: Any) -> Any:
        self.asked.append(request)
        document = firestore.Document.pb()(name=getattr(request, "name", ""))
        document.fields["n"].integer_value = 2**53
        document.fields["d"].double_value = 2.0
        return document

    async def documents(self, request: Any, _context: Any) -> Any:
        self.asked.append(request)
        return firestore.ListDocumentsResponse.pb()()

    async def query(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.structured_query.limit.value):
            yield firestore.RunQueryResponse.pb()(skipped_results=number)
        if request.structured_query.offset:
            await context.abort(grpc.StatusCode.ABORTED, "contended")

    def handlers(self) -> list[Any]:
        return [
            _handler(
                "google.cloud.scheduler.v1.CloudScheduler",
                GetJob=(self.job, scheduler.GetJobRequest),
                ListJobs=(self.job, scheduler.ListJobsRequest),
                CreateJob=(self.job, scheduler.CreateJobRequest),
                UpdateJob=(self.job, scheduler.UpdateJobRequest),
                PauseJob=(self.refuse, scheduler.PauseJobRequest),
            ),
            _handler(
                "google.firestore.v1.Firestore",
                GetDocument=(self.document, firestore.GetDocumentRequest),
                ListDocuments=(self.documents, firestore.ListDocumentsRequest),
                RunQuery=(self.query, firestore.RunQueryRequest),
            ),
        ]


def _handler(service: str, **methods: Any) -> Any:
    routes = {}
    for name, (method, kind) in methods.items():
        streams = name == "RunQuery"
        make = grpc.unary_stream_rpc_method_handler if streams else _unary
        routes[name] = make(method, request_deserializer=kind.pb().FromString)
    return grpc.method_handlers_generic_handler(service, routes)


_unary = grpc.unary_unary_rpc_method_handler


class Wire:
    def __init__(self, interceptors: Any = ()) -> None:
        self.echo = Echo()
        self._wire = RestWire(self.echo.handlers(), interceptors)

    def __call__(
        self, method: str, target: str, content: Any = None, **headers: str
    ) -> tuple[int, Any]:
        status, text = self.text(method, target, content, **headers)
        return status, json.loads(text)

    def text(
        self, method: str, target: str, content: Any = None, **headers: str
    ) -> tuple[int, bytes]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request(method, target, fields, b"" if content is None else body)
        return asyncio.run(self._whole(request))

    async def _whole(self, request: Request) -> tuple[int, bytes]:
        response: Response = await self._wire.handle(request)
        rest = [chunk async for chunk in response.stream] if response.stream else []
        return response.status, b"".join([response.body, *rest])


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.mark.parametrize(
    ("template", "path", "fields"),
    [
        ("/v1/{name=a/*}", "/v1/a/b", {"name": "a/b"}),
        ("/v1/{name=a/*}", "/v1/a/b/c", None),
        ("/v1/{name=a/*}:go", "/v1/a/b:go", {"name": "a/b"}),
        ("/v1/{name=a/*}:go", "/v1/a/b", None),
        ("/v1/{name=a/**}", "/v1/a/b/c", {"name": "a/b/c"}),
        ("/v1/{name=a/**}", "/v1/a", {"name": "a"}),
        ("/v1/{p=a/*}/c/{id}", "/v1/a/b/c/d", {"p": "a/b", "id": "d"}),
        ("/v1/{job.name=a/*}", "/v1/a/x%20y%2Fz", {"job.name": "a/x y/z"}),
        ("/v1/a.b", "/v1/axb", None),
    ],
)
def test_a_template_fills_fields_from_a_path(
    template: str, path: str, fields: dict[str, str] | None
) -> None:
    assert Template(template).match(path) == fields


def test_query_parameters_fill_fields_of_either_name(wire: Wire) -> None:
    assert wire("GET", f"/v1/{PARENT}/jobs?pageSize=7&page_token=t%2F1&alt=json&key=k")[0] == 200
    (request,) = wire.echo.asked
    assert (request.parent, request.page_size, request.page_token) == (PARENT, 7, "t/1")


def test_a_field_mask_comes_in_camel_or_snake_case_and_the_body_is_the_field_of_the_rule(
    wire: Wire,
) -> None:
    target = f"/v1/{JOB}?updateMask=httpTarget.uri,retry_config.max_doublings"
    content = {"httpTarget": {"uri": "http://u", "body": "aGk="}, "attemptDeadline": "90s"}
    assert wire("PATCH", target, content)[0] == 200
    (request,) = wire.echo.asked
    assert list(request.update_mask.paths) == ["http_target.uri", "retry_config.max_doublings"]
    assert request.job.name == JOB
    assert request.job.http_target.body == b"hi"
    assert request.job.attempt_deadline.seconds == 90


def test_enums_are_names_or_numbers_as_asked_and_int64_are_strings(wire: Wire) -> None:
    assert wire("GET", f"/v1/{JOB}")[1]["state"] == "PAUSED"
    assert wire("GET", f"/v1/{JOB}?%24alt=json%3Benum-encoding%3Dint")[1]["state"] == 2
    fields = wire("GET", f"/v1/{ROOT}/c/d")[1]["fields"]
    assert fields == {"n": {"integerValue": str(2**53)}, "d": {"doubleValue": 2}}


def test_only_the_length_of_a_path_tells_a_document_from_a_collection(wire: Wire) -> None:
    wire("GET", f"/v1/{ROOT}/c/d")
    wire("GET", f"/v1/{ROOT}/c/d/e?pageSize=2")
    wire("GET", f"/v1/{ROOT}/c")
    one, deeper, top = wire.echo.asked
    assert one.name == f"{ROOT}/c/d"
    assert (deeper.parent, deeper.collection_id, deeper.page_size) == (f"{ROOT}/c/d", "e", 2)
    assert (top.parent, top.collection_id) == (ROOT, "c")


@pytest.mark.parametrize(
    ("method", "target", "content", "message"),
    [
        (
            "GET",
            f"/v1/{PARENT}/jobs?size=7",
            None,
            'Invalid JSON payload received. Unknown name "size": Cannot bind query parameter.'
            " Field 'size' could not be found in request message.",
        ),
        (
            "GET",
            f"/v1/{PARENT}/jobs?pageSize=many",
            None,
            "Invalid value at 'page_size' (TYPE_INT32), \"many\"",
        ),
        (
            "POST",
            f"/v1/{PARENT}/jobs",
            {"httpTarget": {"url": "x"}},
            "Invalid JSON payload received. Unknown name \"url\" at 'job.http_target':"
            " Cannot find field.",
        ),
        (
            "POST",
            f"/v1/{PARENT}/jobs",
            {"httpTarget": {"httpMethod": "SHOUT"}},
            "Invalid value at 'job.http_target.http_method'"
            ' (type.googleapis.com/google.cloud.scheduler.v1.HttpMethod), "SHOUT"',
        ),
        (
            "POST",
            f"/v1/{PARENT}/jobs",
            {"retryConfig": {"retryCount": "x"}},
            "Invalid value at 'job.retry_config.retry_count' (TYPE_INT32), \"x\"",
        ),
        (
            "POST",
            f"/v1/{PARENT}/jobs",
            {"httpTarget": "x"},
            "Invalid value at 'job.http_target'"
            ' (type.googleapis.com/google.cloud.scheduler.v1.HttpTarget), "x"',
        ),
    ],
)
def test_a_mistake_in_a_request_is_named(
    wire: Wire, method: str, target: str, content: Any, message: str
) -> None:
    status, answer = wire(method, target, content)
    error = answer["error"]
    assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["message"] == message
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert not wire.echo.asked


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(wire: Wire, body: bytes) -> None:
    status, answer = wire("POST", f"/v1/{PARENT}/jobs", body)
    assert status == 400
    assert answer["error"]["message"].startswith("Invalid JSON payload received.")


def test_what_a_handler_refuses_has_the_http_status_of_its_code(wire: Wire) -> None:
    status, answer = wire("POST", f"/v1/{JOB}:pause", {})
    expected = {"code": 400, "message": "not now", "status": "FAILED_PRECONDITION"}
    assert (status, answer) == (400, {"error": expected})


def test_a_method_nobody_serves_is_unimplemented_by_its_name(wire: Wire) -> None:
    status, answer = wire("POST", f"/v1/{JOB}:run", {})
    assert (status, answer["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert "google.cloud.scheduler.v1.CloudScheduler/RunJob" in answer["error"]["message"]


def test_a_stream_is_one_array(wire: Wire) -> None:
    query = {"structuredQuery": {"limit": 3}}
    status, answer = wire("POST", f"/v1/{ROOT}:runQuery", query)
    assert (status, len(answer), answer[2]) == (200, 3, {"skippedResults": 2})
    assert wire("POST", f"/v1/{ROOT}:runQuery", {}) == (200, [])


def test_nothing_follows_the_array_because_google_s_clients_stumble_over_it(wire: Wire) -> None:
    for limit in (0, 2):
        query = {"structuredQuery": {"limit": limit}}
        assert wire.text("POST", f"/v1/{ROOT}:runQuery", query)[1].endswith(b"]")


def test_an_error_in_a_stream_is_the_status_before_the_first_message_and_an_element_after(
    wire: Wire,
) -> None:
    status, answer = wire("POST", f"/v1/{ROOT}:runQuery", {"structuredQuery": {"offset": 1}})
    assert (status, answer[0]["error"]["status"]) == (409, "ABORTED")
    query = {"structuredQuery": {"limit": 1, "offset": 1}}
    status, answer = wire("POST", f"/v1/{ROOT}:runQuery", query)
    assert status == 200
    assert answer[1]["error"] == {"code": 409, "message": "contended", "status": "ABORTED"}


class _Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses whoever has no token, as an interceptor of the gRPC server does."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        inner = await continuation(handler_call_details)

        async def guarded(request: Any, context: Any) -> Any:
            if ("authorization", "Bearer t") not in context.invocation_metadata():
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, handler_call_details.method)
            return await inner.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            guarded, request_deserializer=inner.request_deserializer
        )


def test_the_interceptors_of_the_grpc_server_stand_before_rest_too() -> None:
    wire = Wire([_Guard()])
    status, answer = wire("GET", f"/v1/{JOB}")
    assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert answer["error"]["message"] == "/google.cloud.scheduler.v1.CloudScheduler/GetJob"
    assert wire("GET", f"/v1/{JOB}", authorization="Bearer t")[0] == 200
