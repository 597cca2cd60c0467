from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emonk_ops.errors import UsageError
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_file import FILE_NAME, Settings, find_settings, read_settings
from emonk_ops.settings_keys import ENVIRONMENT, TABLES
from emonk_ops.settings_sample import sample

SHORT = '[env.qa]\ntarget = "sandbox"\nproject = "emonk-qa"\n'


def settings(folder: Path, text: str = SHORT, **environ: str) -> Settings:
    path = folder / FILE_NAME
    path.write_text(text)
    return read_settings(path, environ)


@pytest.mark.parametrize("target", list(Target))
def test_the_sample_is_read_and_means_what_the_guide_says(tmp_path: Path, target: Target) -> None:
    found = settings(tmp_path, sample(target))
    assert found.names == ("qa", "production")
    qa, production = found.environment("qa"), found.environment("production")
    assert qa.target is target
    assert (qa.storage, qa.cadence, qa.only_driver) == ("firestore", "*/5 * * * *", True)
    assert (production.storage, production.cadence) == ("firestore", "* * * * *")
    assert not production.only_driver
    assert qa.service.name == "emonk-agent"


def test_every_setting_is_documented_in_the_sample_with_its_default(tmp_path: Path) -> None:
    text = sample(Target.GCP)
    opened = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in text.splitlines()
        if not line.startswith("# file and in CI")
    )
    document = tomllib.loads(opened)
    for table, keys in TABLES.items():
        missing = {key.name for key in keys} - set(document[table]) - {"grpc", "http", "token"}
        assert not missing, f"[{table}]"
    assert {key.name for key in ENVIRONMENT} == set(document["env"]["qa"])
    plain = settings(tmp_path).environment("qa")
    path = tmp_path / "opened.toml"
    path.write_text(opened)
    documented = read_settings(path, {}).environment("qa")
    assert documented.service == plain.service
    assert documented.cadence == plain.cadence
    assert documented.acceptance_intervals == plain.acceptance_intervals


def test_flags_win_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(SHORT + 'cadence = "*/10 * * * *"\n')
    environ = {"EMONK_PROJECT": "from-variable", "EMONK_REGION": "from-variable"}
    found = read_settings(path, environ, {"project": "from-flag", "region": None})
    origins = {one.path: (one.value, one.origin) for one in found.values("qa")}
    assert origins["env.qa.project"] == ("from-flag", "--project")
    assert origins["service.region"] == ("from-variable", "EMONK_REGION")
    assert origins["env.qa.cadence"] == ("*/10 * * * *", FILE_NAME)
    assert origins["env.qa.time_zone"] == ("Etc/UTC", "default")
    assert found.environment("qa").project == "from-flag"


def test_variables_are_read_as_the_kind_they_stand_for(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        EMONK_ACCEPTANCE_INTERVALS="5",
        EMONK_SANDBOX_GRPC="127.0.0.1:1",
        EMONK_IMAGE="emonk-agent-broken",
        EMONK_ENV="qa",
    ).environment(None)
    assert found.acceptance_intervals == 5
    assert found.sandbox_grpc == "127.0.0.1:1"
    assert found.service.image == "emonk-agent-broken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[servce]\n", "unknown table [servce]. Did you mean 'service'?"),
        ('[service]\nnmae = "x"\n', "unknown key service.nmae. Did you mean 'name'?"),
        (SHORT + "cadense = 1\n", "unknown key env.qa.cadense. Did you mean 'cadence'?"),
        ("service = 1\n", "service must be a table"),
        ("[env]\nqa = 1\n", "env.qa must be a table"),
        ("[env\n", "Expected"),
    ],
)
def test_an_unknown_name_is_refused_with_its_path_and_the_nearest(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, text)
    assert said in caught.value.message
    assert str(tmp_path / FILE_NAME) in caught.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('cadence = "* * * *"', "env.qa.cadence: a cadence has 5 fields"),
        ('cadence = "61 * * * *"', "is not a cron expression"),
        ('cadence = "0 0 L * *"', "Cloud Scheduler does not know L"),
        ('cadence = "0 0 * * 1#2"', "Cloud Scheduler does not know #"),
        ("cadence = 5", "expected text, not 5"),
        ('time_zone = "Mars/Base"', "there is no time zone 'Mars/Base'"),
        ('storage = "memory"', "expected one of json, firestore, not 'memory'"),
        ("acceptance_intervals = 0", "expected a whole number above 0, not 0"),
        ("acceptance_intervals = 1.5", "expected a whole number, not 1.5"),
        ("acceptance_intervals = true", "expected a whole number, not True"),
        ("retry_count = -1", "0 or more"),
        ('only_driver = "maybe"', "expected true or false, not 'maybe'"),
        ("service_env = { A = 1 }", "expected a table of texts"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, SHORT + line + "\n").environment("qa")
    assert said in caught.value.message


@pytest.mark.parametrize(
    "cadence", ["0 7 * * MON-FRI", "*/5 0-6 1 JUL WED", "0 0 1,15 * *", "30 2 * * 7"]
)
def test_what_cloud_scheduler_takes_is_taken(tmp_path: Path, cadence: str) -> None:
    found = settings(tmp_path, SHORT + f'cadence = "{cadence}"\n').environment("qa")
    assert found.cadence == cadence


def test_a_command_is_a_list_of_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"like \['make', 'lint'\]"):
        settings(tmp_path, '[commands]\nlint = "make lint"\n' + SHORT).environment("qa")


@pytest.mark.parametrize("missing", ["target", "project"])
def test_target_and_project_are_never_guessed(tmp_path: Path, missing: str) -> None:
    text = "".join(line for line in SHORT.splitlines(keepends=True) if not line.startswith(missing))
    with pytest.raises(UsageError, match=f"env.qa.{missing} is missing"):
        settings(tmp_path, text).environment("qa")


def test_an_unknown_environment_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'qa'") as caught:
        settings(tmp_path).environment("qaa")
    assert "Environments: qa" in caught.value.hint


def test_folders_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    found = settings(tmp_path, SHORT + '[commands]\ndirectory = "bot"\n').environment("qa")
    assert found.commands.directory == tmp_path / "bot"
    assert found.state_dir == tmp_path / ".emonk-ops"
    assert found.sandbox_dir == tmp_path / ".emonk-sandbox"


def test_the_file_is_found_upwards_and_can_be_named(tmp_path: Path) -> None:
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no emonk-ops\.toml") as caught:
        find_settings(below, {})
    assert "emonk-ops init" in caught.value.hint
    (tmp_path / FILE_NAME).write_text(SHORT)
    assert find_settings(below, {}) == tmp_path / FILE_NAME
    other = tmp_path / "other.toml"
    other.write_text(SHORT)
    assert find_settings(below, {"EMONK_CONFIG": str(other)}) == other
    with pytest.raises(UsageError, match="there is no settings file"):
        find_settings(below, {}, tmp_path / "absent.toml")


def test_all_mistakes_of_an_environment_are_found_at_once(tmp_path: Path) -> None:
    found = settings(tmp_path, SHORT + 'cadence = "x"\nstorage = "y"\n')
    assert len(list(found.problems("qa"))) == 2


def test_an_environment_has_a_setting_for_each_of_its_keys() -> None:
    known = set(Environment.__dataclass_fields__)
    assert {key.name for key in ENVIRONMENT} <= known


def test_channels_are_addresses_and_full_names(tmp_path: Path) -> None:
    named = ("oncall@example.com", "projects/p/notificationChannels/12")
    text = SHORT + f"[alerts]\nchannels = {list(named)}\n"
    assert settings(tmp_path, text).environment("qa").alert_channels == named
    assert settings(tmp_path).environment("qa").alert_channels == ()


@pytest.mark.parametrize("wrong", ['["oncall"]', '["a@b"]', '["notificationChannels/12"]', "[1]"])
def test_what_is_no_channel_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match=r"alerts\.channels: expected"):
        settings(tmp_path, SHORT + f"[alerts]\nchannels = {wrong}\n").environment("qa")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("file", "file"),
        ("firestore:team-ops", "firestore:team-ops/(default)"),
        ("firestore:team-ops/emonk-ops", "firestore:team-ops/emonk-ops"),
        ("firestore:example.com:team-ops/(default)", "firestore:example.com:team-ops/(default)"),
    ],
)
def test_the_place_of_the_state_always_names_its_database(
    tmp_path: Path, said: str, meant: str
) -> None:
    text = SHORT + f'[state]\nplace = "{said}"\n'
    assert settings(tmp_path, text).environment("qa").state_place == meant
    assert settings(tmp_path).environment("qa").state_place == "file"


@pytest.mark.parametrize("wrong", ['"firestore"', '"firestore:P"', '"gs://bucket"', "3"])
def test_what_is_no_place_is_refused(tmp_path: Path, wrong: str) -> None:
    text = SHORT + f"[state]\nplace = {wrong}\n"
    with pytest.raises(UsageError, match=r"state\.place: expected"):
        settings(tmp_path, text).environment("qa")
