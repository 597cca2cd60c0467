from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import SettingsError
from emonk_ops.tick.settings import env_example, read_settings
from emonk_ops.tick.settings_check import warnings_of
from emonk_ops.tick.settings_table import FIELDS, TickSettings
from emonk_ops.tick.version import VERSION

ROOT = Path(__file__).parents[3]
SAFE = {"ENVIRONMENT": "qa", "TICK_AUDIENCE": "https://a", "TICK_INVOKER": "t@p"}


def problems(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings({**SAFE, **environment})
    return caught.value.problems


def test_a_developers_machine_needs_no_settings() -> None:
    settings = read_settings({})
    assert (settings.local, settings.storage, settings.port) == (True, "json", 8080)
    assert settings.cadence == "* * * * *"


def test_empty_variables_count_as_unset() -> None:
    assert read_settings({"PORT": "", "K_REVISION": " "}).revision == "local"


def test_every_field_of_the_settings_is_a_documented_variable() -> None:
    documented = {variable.attribute for variable in FIELDS}
    assert documented == set(TickSettings.__dataclass_fields__)
    assert all(variable.says.endswith(".") for variable in FIELDS)


def test_the_env_example_is_what_the_settings_generate() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_env_example_can_be_used_as_it_is() -> None:
    pairs = [line.partition("=") for line in env_example().splitlines() if "=" in line[:40]]
    values = {name: value.strip('"') for name, _, value in pairs if not name.startswith("#")}
    assert read_settings(values) == read_settings({})


def test_all_problems_are_listed_at_once() -> None:
    found = problems(PORT="x", SCHEDULER_STORAGE="tape", SCHEDULER_LEGACY_LOOP="perhaps")
    assert len(found) == 3


def test_a_handler_that_could_outlive_its_lease_is_refused_with_both_numbers() -> None:
    (problem,) = problems(SCHEDULER_LEASE_SECONDS="60", SCHEDULER_HANDLER_TIMEOUT_SECONDS="50")
    assert "SCHEDULER_HANDLER_TIMEOUT_SECONDS=50" in problem
    assert "SCHEDULER_LEASE_SECONDS=60" in problem


@pytest.mark.parametrize(
    "name", ["SCHEDULER_ATTEMPT_DEADLINE_SECONDS", "SCHEDULER_REQUEST_TIMEOUT_SECONDS"]
)
def test_a_tick_that_would_be_cut_off_is_refused_with_both_numbers(name: str) -> None:
    (problem,) = problems(**{name: "120"})
    assert "up to 120 s" in problem
    assert f"{name}=120" in problem


def test_an_open_tick_endpoint_is_refused_outside_a_local_environment() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"ENVIRONMENT": "production"})
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "TICK_AUDIENCE",
        "TICK_INVOKER",
    ]


def test_half_of_the_tick_identity_is_refused_locally_too() -> None:
    with pytest.raises(SettingsError, match="belong together"):
        read_settings({"TICK_AUDIENCE": "https://a"})


@pytest.mark.parametrize(
    "url", ["https://example.com/certs", "http://127.0.0.1.example.com/", "http://10.0.0.1/x", "x"]
)
def test_certificates_from_elsewhere_are_refused(url: str) -> None:
    (problem,) = problems(OIDC_CERTS_URL=url)
    assert "loopback" in problem


@pytest.mark.parametrize("url", ["http://127.0.0.1:99/c", "http://localhost/c", "http://[::1]:9/c"])
def test_certificates_from_loopback_are_accepted(url: str) -> None:
    assert read_settings({**SAFE, "OIDC_CERTS_URL": url}).certs_url == url


def test_firestore_needs_a_project_by_either_name() -> None:
    (problem,) = problems(SCHEDULER_STORAGE="firestore")
    assert "VERTEX_AI_PROJECT_ID" in problem
    assert "GOOGLE_CLOUD_PROJECT" in problem
    both = {"SCHEDULER_STORAGE": "firestore", "GOOGLE_CLOUD_PROJECT": "second"}
    assert read_settings({**SAFE, **both}).project == "second"
    assert read_settings({**SAFE, **both, "VERTEX_AI_PROJECT_ID": "first"}).project == "first"


def test_an_unknown_claim_mode_is_refused() -> None:
    firestore = {"SCHEDULER_STORAGE": "firestore", "GOOGLE_CLOUD_PROJECT": "p"}
    (problem,) = problems(**firestore, SCHEDULER_CLAIM_MODE="lock")
    assert "expected batch or transaction" in problem


def test_an_emulator_beyond_loopback_is_refused() -> None:
    firestore = {"SCHEDULER_STORAGE": "firestore", "GOOGLE_CLOUD_PROJECT": "p"}
    (problem,) = problems(**firestore, FIRESTORE_EMULATOR_HOST="10.0.0.1:8080")
    assert "loopback" in problem
    local = {**SAFE, **firestore, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080"}
    assert read_settings(local).firestore_emulator == "127.0.0.1:8080"


def test_json_on_cloud_run_warns_of_its_instance() -> None:
    settings = read_settings({**SAFE, "K_SERVICE": "emonk-agent"})
    (warning,) = warnings_of(settings)
    assert "K_SERVICE=emonk-agent" in warning
    assert "must run with max-instances 1" in warning
    assert warnings_of(read_settings(SAFE)) == []


def test_a_webhook_that_lets_nobody_in_is_warned_of() -> None:
    settings = read_settings({**SAFE, "WEBHOOK_ALLOWED_USERS": "a@b"})
    (warning,) = warnings_of(settings)
    assert "WEBHOOK_AUDIENCE" in warning


def test_an_open_door_on_cloud_run_is_refused_even_where_it_calls_itself_local() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"K_SERVICE": "emonk-agent"})
    (problem,) = caught.value.problems
    assert "ENVIRONMENT=local with K_SERVICE=emonk-agent" in problem
    closed = {"K_SERVICE": "x", "TICK_AUDIENCE": "https://a", "TICK_INVOKER": "t@p"}
    assert read_settings(closed).local


@pytest.mark.parametrize("name", ["TICK_INVOKER", "ADMIN_USERS", "WEBHOOK_ALLOWED_USERS"])
def test_an_identity_that_nobody_can_have_is_refused(name: str) -> None:
    (problem,) = problems(**{name: "everybody"})
    assert problem.startswith(f"{name}: 'everybody'")


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("SCHEDULER_ATTEMPT_DEADLINE_SECONDS", "1801", "1800"),
        ("SCHEDULER_REQUEST_TIMEOUT_SECONDS", "3601", "3600"),
    ],
)
def test_a_limit_that_the_platform_cannot_have_is_refused(
    name: str, value: str, limit: str
) -> None:
    (problem,) = problems(**{name: value})
    assert f"{name}={value}" in problem
    assert limit in problem


@pytest.mark.parametrize(
    "environment",
    [
        {"SCHEDULER_HANDLER_TIMEOUT_SECONDS": "284", "SCHEDULER_TICK_BUDGET_SECONDS": "30"},
        {"SCHEDULER_LEASE_SECONDS": "65.1"},
        {"SCHEDULER_ATTEMPT_DEADLINE_SECONDS": "121", "SCHEDULER_REQUEST_TIMEOUT_SECONDS": "121"},
    ],
)
def test_times_just_inside_their_limits_are_accepted(environment: dict[str, str]) -> None:
    wide = {
        "SCHEDULER_ATTEMPT_DEADLINE_SECONDS": "1800",
        "SCHEDULER_REQUEST_TIMEOUT_SECONDS": "3600",
    }
    read_settings({**SAFE, **wide, **environment})


@pytest.mark.parametrize(
    ("environment", "numbers"),
    [
        ({"SCHEDULER_HANDLER_TIMEOUT_SECONDS": "285"}, ["285", "15", "300"]),
        ({"SCHEDULER_TICK_BUDGET_SECONDS": "115"}, ["115", "50", "180"]),
        ({"SCHEDULER_TICK_BUDGET_SECONDS": "0"}, ["0"]),
    ],
)
def test_times_that_clash_are_refused_with_their_numbers(
    environment: dict[str, str], numbers: list[str]
) -> None:
    found = problems(**environment)
    assert all(number in found[0] for number in numbers)


def test_limits_of_a_library_user_are_held_to_the_same_rule() -> None:
    with pytest.raises(SettingsError) as caught:
        Limits(lease_seconds=60, handler_timeout_seconds=50, margin_seconds=10)
    (problem,) = caught.value.problems
    assert "handler_timeout_seconds=50" in problem
    assert "lease_seconds=60" in problem
    Limits(lease_seconds=60.1, handler_timeout_seconds=50, margin_seconds=10)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_the_vertex_project_comes_before_the_google_project() -> None:
    both = {"VERTEX_AI_PROJECT_ID": "v", "GOOGLE_CLOUD_PROJECT": "g"}
    assert read_settings(both).project == "v"
    assert read_settings({"GOOGLE_CLOUD_PROJECT": "g"}).project == "g"
