from __future__ import annotations

import os
import signal

import pytest

from emonk_ops.errors import ExitCode, Interrupted
from emonk_ops.rollout.interruption import Interruption


@pytest.fixture
def given_up() -> list[ExitCode]:
    return []


@pytest.fixture
def interruption(given_up: list[ExitCode]) -> Interruption:
    return Interruption(given_up.append)


@pytest.mark.parametrize(
    ("signum", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.TERMINATED),
    ],
)
def test_a_signal_becomes_an_error_with_its_exit_code(
    interruption: Interruption, signum: signal.Signals, code: ExitCode
) -> None:
    def be_stopped() -> None:
        with interruption.listening():
            os.kill(os.getpid(), signum)
            signal.sigtimedwait([], 5)

    with pytest.raises(Interrupted) as caught:
        be_stopped()
    assert caught.value.exit_code is code


def test_within_a_shield_it_waits_for_the_end_of_it(interruption: Interruption) -> None:
    written = []

    def write() -> None:
        with interruption.shield():
            with interruption.shield():
                interruption.request(signal.SIGINT)
                written.append("inner")
            written.append("outer")

    with pytest.raises(Interrupted):
        write()
    assert written == ["inner", "outer"]


def test_a_second_request_gives_up_at_once(
    interruption: Interruption, given_up: list[ExitCode]
) -> None:
    with pytest.raises(Interrupted):
        interruption.request(signal.SIGINT)
    interruption.request(signal.SIGTERM)
    assert given_up == [ExitCode.TERMINATED]


def test_afterwards_signals_mean_what_they_meant_before(interruption: Interruption) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruption.listening():
        assert signal.getsignal(signal.SIGTERM) == interruption.request
    assert signal.getsignal(signal.SIGTERM) == before
