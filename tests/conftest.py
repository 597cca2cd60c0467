from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.tick.emulator import Emulator, EmulatorMissing

# What a developer's shell or a pipeline may have set, and a test must not see.
FOREIGN_PREFIXES = ("EMONK_", "GOOGLE_", "CLOUDSDK_", "GITHUB_", "SCHEDULER_", "FIRESTORE_")
FOREIGN_NAMES = (
    "CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "CLICOLOR_FORCE",
    "K_SERVICE",
    "K_REVISION",
    "ENVIRONMENT",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)
EXPECTED_SKIPS = os.environ.get("EMONK_EXPECTED_SKIPS")
# How far some suites go, and where; nothing else may be read.
KEPT = (
    "EMONK_REAL_PROJECT",
    "EMONK_CRASH_POINTS",
    "EMONK_SIMULATION_SEEDS",
    "EMONK_DIFFERENTIAL_OPERATIONS",
    "EMONK_RACE_ROUNDS",
)
# A busy machine is slow; that is no finding of a property.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        foreign = name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES
        if foreign and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[Emulator]:
    """One for the session; a test takes a project id of its own, which is a world of its own."""
    try:
        with Emulator() as emulator:
            yield emulator
    except EmulatorMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def firestore_embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The sandbox's Firestore on a real clock, for the session; as above, by project id."""
    directory = tmp_path_factory.mktemp("firestore") / "world"
    yield launcher.launch(directory, clock="real", empty=True)
    launcher.end(directory)


@pytest.fixture(params=["on Google's emulator", "on the sandbox"])
def firestore_address(request: pytest.FixtureRequest) -> str:
    """host:port of either Firestore: what holds on the one has to hold on the other."""
    if request.param == "on the sandbox":
        endpoint: Endpoint = request.getfixturevalue("firestore_embedded")
        return endpoint.grpc
    emulator: Emulator = request.getfixturevalue("firestore_emulator")
    return emulator.address


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if EXPECTED_SKIPS is None or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    skipped = len(reporter.stats.get("skipped", []))
    if skipped != int(EXPECTED_SKIPS) and exitstatus == 0:
        reporter.write_line(
            f"{skipped} tests were skipped, {EXPECTED_SKIPS} expected: see the reasons above",
            red=True,
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
