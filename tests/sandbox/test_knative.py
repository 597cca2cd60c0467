"""Cloud Run's v1 dialect: translation by itself, then requests as gcloud makes them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.sandbox.knative import services, template
from emonk_ops.sandbox.rest.errors import RestError
from emonk_ops.sandbox.run.messages import types

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=8)
BASE = "/apis/serving.knative.dev/v1/namespaces/my-project"
ANNOTATIONS = {
    "run.googleapis.com/ingress": "internal",
    "run.googleapis.com/invoker-iam-disabled": "true",
}
US = {"host": "us-central1-run.localhost:1"}


@st.composite
def containers(draw: st.DrawFn) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        {"name": name, "value": draw(TEXTS)}
        if draw(st.booleans())
        else {"name": name, "value_source": {"secret_key_ref": {"secret": "s", "version": "3"}}}
        for name in draw(st.lists(NAMES, unique=True, max_size=3))
    ]
    found: dict[str, Any] = {"image": draw(NAMES), "env": env, "args": draw(st.lists(TEXTS))}
    if draw(st.booleans()):
        limits = draw(st.dictionaries(st.sampled_from(["cpu", "memory"]), NAMES))
        found["resources"] = {"limits": limits, "cpu_idle": draw(st.booleans())}
    if draw(st.booleans()):
        found["startup_probe"] = {"period_seconds": 3, "tcp_socket": {"port": 8080}}
    if draw(st.booleans()):
        found["ports"] = [{"name": "http1", "container_port": draw(st.integers(1, 65_535))}]
    return found


TEMPLATES: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    labels=st.dictionaries(NAMES, NAMES, max_size=2),
    annotations=st.dictionaries(NAMES, TEXTS.filter(bool), max_size=2),
    scaling=st.builds(
        dict, min_instance_count=st.integers(0, 3), max_instance_count=st.integers(0, 9)
    ),
    timeout=st.sampled_from(["300s", "1s"]),
    service_account=TEXTS,
    max_instance_request_concurrency=st.integers(0, 100),
    session_affinity=st.booleans(),
    execution_environment=st.integers(0, 2),
    containers=st.lists(containers(), min_size=1, max_size=1),
)


def made(fields: dict[str, Any]) -> Any:
    given_ = dict(fields)
    seconds = int(given_.pop("timeout")[:-1])
    made_ = types.RevisionTemplate(given_)
    types.RevisionTemplate.pb(made_).timeout.seconds = seconds
    return made_


@settings(deadline=None)
@given(TEMPLATES)
def test_a_template_sent_back_as_it_was_read_is_not_touched(fields: dict[str, Any]) -> None:
    before, after = made(fields), made(fields)
    template.take(after, copy.deepcopy(template.knative(before)))
    assert types.RevisionTemplate.serialize(after) == types.RevisionTemplate.serialize(before)


@settings(deadline=None)
@given(TEMPLATES)
def test_a_template_made_from_knative_reads_the_same_in_knative(fields: dict[str, Any]) -> None:
    read = template.knative(made(fields))
    fresh = types.RevisionTemplate()
    template.take(fresh, copy.deepcopy(read))
    assert template.knative(fresh) == read


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"volumes": [{"name": "v"}]}, "spec.template.spec.volumes"),
        ({"containers": [{"image": "x", "imagePullPolicy": "Always"}]}, "imagePullPolicy"),
        ({"containers": [{"image": "x", "ports": [{"containerPort": "x"}]}]}, "container_port"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name(spec: dict[str, Any], named: str) -> None:
    with pytest.raises(RestError, match=named):
        template.take(types.RevisionTemplate(), {"spec": spec})


def test_what_knative_has_no_word_for_stays_as_it_was() -> None:
    service = types.Service(name="projects/p/locations/l/services/s", ingress=1)
    service.binary_authorization.use_default = True
    service.template.containers = [types.Container(image="one")]
    service.template.vpc_access.connector = "c"
    content = services.knative(service)
    content["spec"]["template"]["spec"]["containers"][0]["image"] = "two"
    services.take(service, content)
    assert service.template.containers[0].image == "two"
    assert service.template.vpc_access.connector == "c"
    assert service.binary_authorization.use_default is True


# -- against a running sandbox ---------------------------------------------------------------


@pytest.fixture
def cloud(shared_cloud: Any) -> Any:
    return shared_cloud


@pytest.fixture
def http(cloud: Any) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=cloud.endpoint.http, headers=US, trust_env=False, timeout=30
    ) as client:
        yield client


@pytest.fixture
def web(cloud: Any, http: httpx.Client) -> Iterator[dict[str, Any]]:
    """A service made by v1, ready."""
    content = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "web", "annotations": ANNOTATIONS},
        "spec": {
            "template": {
                "metadata": {"annotations": {"autoscaling.knative.dev/maxScale": "1"}},
                "spec": {"containers": [{"image": "echo", "env": [{"name": "A", "value": "1"}]}]},
            }
        },
    }
    ready(http, http.post(f"{BASE}/services", json=content))
    yield http.get(f"{BASE}/services/web").json()
    assert http.delete(f"{BASE}/services/web").json()["status"] == "Success"


def ready(http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The service that a change led to, awaited as gcloud does."""
    assert answer.status_code == 200, answer.text
    identity = answer.json()["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    operation = f"/v1/projects/my-project/locations/us-central1/operations/{identity}"
    ended = http.post(f"{operation}:wait", json={}).json()
    assert ended["done"] is True
    assert http.get(operation).json() == ended
    response: dict[str, Any] = ended["response"]
    return response


def status_of(content: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in content["status"]["conditions"]}


def test_a_service_made_by_v1_is_the_same_one_in_v2(
    cloud: Any, http: httpx.Client, web: dict[str, Any]
) -> None:
    v2 = cloud.services.get_service(name=f"{cloud.parent}/services/web", timeout=5)
    assert status_of(web) == dict.fromkeys(("Ready", "RoutesReady", "ConfigurationsReady"), "True")
    assert web["status"]["url"] == v2.uri
    assert web["metadata"]["generation"] == web["status"]["observedGeneration"] == 1
    assert web["metadata"]["annotations"]["run.googleapis.com/ingress-status"] == "internal"
    assert v2.ingress == types.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY
    assert v2.template.scaling.max_instance_count == 1
    latest = web["status"]["latestReadyRevisionName"]
    split = [{"latestRevision": True, "percent": 100, "revisionName": latest}]
    assert web["status"]["traffic"] == split
    assert httpx.get(v2.uri, trust_env=False).json()["revision"] == latest


def test_a_replaced_template_makes_a_revision_and_replaced_traffic_does_not(
    http: httpx.Client, web: dict[str, Any]
) -> None:
    first = web["status"]["latestReadyRevisionName"]
    web["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "2"}]
    web["spec"]["template"]["metadata"]["name"] = "web-second"
    second = ready(http, http.put(f"{BASE}/services/web", json=web))
    assert second["status"]["latestReadyRevisionName"] == "web-second"
    second["spec"]["traffic"] = [{"revisionName": first, "percent": 100}]
    pinned = ready(http, http.put(f"{BASE}/services/web", json=second))
    assert pinned["status"]["latestCreatedRevisionName"] == "web-second"
    assert pinned["status"]["traffic"] == [{"revisionName": first, "percent": 100}]
    listed = http.get(f"{BASE}/revisions").json()["items"]
    active = {
        one["metadata"]["name"]: condition["status"]
        for one in listed
        for condition in one["status"]["conditions"]
        if condition["type"] == "Active"
    }
    assert active == {"web-second": "False", first: "True"}


def test_a_replace_of_an_older_version_is_a_conflict_and_a_dry_run_changes_nothing(
    http: httpx.Client, web: dict[str, Any]
) -> None:
    old = copy.deepcopy(web)
    web["metadata"]["labels"]["a"] = "b"
    dry = http.put(f"{BASE}/services/web", params={"dryRun": "all"}, json=web)
    assert dry.json()["metadata"]["labels"]["a"] == "b"
    assert "a" not in http.get(f"{BASE}/services/web").json()["metadata"]["labels"]
    ready(http, http.put(f"{BASE}/services/web", json=web))
    conflict = http.put(f"{BASE}/services/web", json=old)
    assert (conflict.status_code, conflict.json()["error"]["status"]) == (409, "ABORTED")


def test_the_region_is_in_the_host_or_every_region_is_looked_at(
    http: httpx.Client, web: dict[str, Any]
) -> None:
    def found(host: str, path: str = f"{BASE}/services/web") -> int:
        return http.get(path, headers={"host": host}).status_code

    assert found("us-central1-run.localhost") == 200
    assert found("europe-west1-run.localhost") == 404
    assert found("127.0.0.1:80") == 200
    everywhere = http.get("/v1/projects/my-project/locations/-/services").json()["items"]
    assert [one["metadata"]["name"] for one in everywhere] == ["web"]
    nowhere = {"kind": "Service", "metadata": {"name": "x"}, "spec": {}}
    answer = http.post(
        "/apis/serving.knative.dev/v1/namespaces/other/services",
        headers={"host": "127.0.0.1"},
        json=nowhere,
    )
    assert "region must be part of the host" in answer.json()["error"]["message"]


def test_lists_take_a_label_selector_and_a_limit(http: httpx.Client, web: dict[str, Any]) -> None:
    for value in ("2", "3"):
        web = http.get(f"{BASE}/services/web").json()
        web["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = value
        ready(http, http.put(f"{BASE}/services/web", json=web))
    asked = {"labelSelector": "serving.knative.dev/service = web", "limit": "2"}
    page = http.get(f"{BASE}/revisions", params=asked).json()
    rest = http.get(
        f"{BASE}/revisions", params={**asked, "continue": page["metadata"]["continue"]}
    ).json()
    assert (len(page["items"]), len(rest["items"]), rest["metadata"]) == (2, 1, {})
    stamps = [one["metadata"]["creationTimestamp"] for one in page["items"] + rest["items"]]
    assert stamps == sorted(stamps, reverse=True)
    none = {"labelSelector": "serving.knative.dev/service=other"}
    assert http.get(f"{BASE}/revisions", params=none).json()["items"] == []


def test_a_revision_that_does_not_start_is_told_as_the_platform_tells_it(
    http: httpx.Client, web: dict[str, Any]
) -> None:
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "nothing-like-it"
    answer = http.put(f"{BASE}/services/web", json=web).json()
    identity = answer["metadata"]["annotations"]["run.googleapis.com/operation-id"]
    operation = f"/v1/projects/my-project/locations/us-central1/operations/{identity}"
    assert "not found" in http.post(f"{operation}:wait", json={}).json()["error"]["message"]
    failed = http.get(f"{BASE}/services/web").json()
    assert status_of(failed)["Ready"] == "False"
    reasons = [one.get("reason") for one in failed["status"]["conditions"]]
    assert reasons[0] == "RevisionFailed"
    assert (
        failed["status"]["traffic"][0]["revisionName"] == (web["status"]["latestReadyRevisionName"])
    )


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("GET", "/services/none", None, 404, "not found"),
        ("GET", "/revisions/none", None, 404, "does not exist"),
        ("PUT", "/services/a", {"kind": "Service", "metadata": {"name": "b"}}, 400, "the name 'a'"),
        ("POST", "/services", {"kind": "Job"}, 400, "kind Service"),
        ("POST", "/services", {"kind": "Service", "metadata": []}, 400, "metadata of the body"),
        (
            "POST",
            "/services",
            {"kind": "Service", "metadata": {"name": "x", "labels": ["a"]}},
            400,
            "not a Service",
        ),
        (
            "POST",
            "/services",
            {"kind": "Service", "metadata": {"name": "Bad_Name"}, "spec": {}},
            400,
            "lowercase",
        ),
        ("GET", "/routes/x", None, 501, "does not implement GET"),
        ("GET", "/services?labelSelector=a!=b", None, 400, "label selectors"),
    ],
)
def test_a_bad_request_is_answered_by_google_s_error_body(
    http: httpx.Client, method: str, path: str, content: Any, status: int, words: str
) -> None:
    answer = http.request(method, BASE + path, json=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert words in answer.json()["error"]["message"]
