from __future__ import annotations

from pathlib import Path

import pytest

from emonk_ops.clock import SystemClock
from emonk_ops.rollout.records import BEGINNING
from emonk_ops.rollout.spool import Spool, Waiting


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.jsonl", SystemClock())


def add(spool: Spool, n: int, tried: str = "") -> Waiting:
    return spool.add(run="r", kind="note", who={"actor": "ann"}, body={"n": n}, tried=tried)


def test_what_waits_is_kept_until_all_of_it_is_known(spool: Spool) -> None:
    first = add(spool, 1)
    second = add(spool, 2)  # by another process, while the first was sent
    spool.forget({first.id})
    assert spool.waiting() == (first, second)
    spool.forget({first.id, second.id})
    assert spool.waiting() == ()
    third = add(spool, 3)
    assert spool.waiting() == (third,)


def test_a_record_is_known_by_the_attempt_that_was_made_to_send_it(spool: Spool) -> None:
    waiting = add(spool, 1, tried="a hash")
    assert waiting.is_among({"a hash"})
    assert waiting.is_among({waiting.id})
    assert not waiting.is_among({"another"})
    assert not add(spool, 2).is_among({"another"})


def test_chained_anew_it_keeps_its_own_and_says_that_it_waited(spool: Spool) -> None:
    waiting = add(spool, 1)
    record = waiting.after(7, BEGINNING)
    assert (record.seq, record.prev, record.run, record.at) == (8, BEGINNING, "r", waiting.at)
    assert record.body == {"n": 1, "spooled": waiting.id}


def test_a_torn_last_line_is_put_aside(spool: Spool, tmp_path: Path) -> None:
    first = add(spool, 1)
    path = tmp_path / "spool.jsonl"
    path.write_bytes(path.read_bytes() + b'{"half')
    assert spool.waiting() == (first,)
    second = add(spool, 2)
    assert spool.waiting() == (first, second)
