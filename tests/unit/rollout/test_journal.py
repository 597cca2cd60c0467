from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import Locked, StateDamaged
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.places import JournalPlace
from emonk_ops.rollout.redaction import REDACTED, redacted

if TYPE_CHECKING:
    from .conftest import Rollout


@pytest.fixture
def journal(rollout: Rollout) -> Journal:
    return Journal(rollout.folder / "journal.jsonl", clock=rollout.clock)


def write(journal: JournalPlace, kind: str, **body: object) -> None:
    journal.append(run="r", kind=kind, who={"actor": "ann"}, body=body)


def again(journal: Journal, rollout: Rollout) -> Journal:
    return Journal(journal.path, clock=rollout.clock)


def test_records_come_back_in_order_and_chained(journal: Journal, rollout: Rollout) -> None:
    for number in range(3):
        write(journal, "check", n=number)
    records = again(journal, rollout).records()
    assert [record.seq for record in records] == [1, 2, 3]
    assert [record.body["n"] for record in records] == [0, 1, 2]
    assert records[1].prev == records[0].hash
    assert all(record.at.tzinfo is not None for record in records)


@pytest.mark.parametrize("kept", [1, 40, -10, -2])
def test_a_torn_last_line_is_put_aside_and_the_journal_goes_on(
    journal: Journal, rollout: Rollout, kept: int
) -> None:
    write(journal, "first")
    whole = journal.path.read_bytes()
    write(journal, "second")
    torn = journal.path.read_bytes()[len(whole) :][:kept]
    journal.path.write_bytes(whole + torn)
    reader = again(journal, rollout)
    assert [record.kind for record in reader.records()] == ["first"]
    assert journal.path.read_bytes() == whole + torn, "reading changes nothing"
    write(again(journal, rollout), "third")
    assert [record.kind for record in reader.records()] == ["first", "third"]
    assert journal.path.with_name("journal.jsonl.torn-2").read_bytes() == torn + b"\n"


def test_a_last_record_that_only_lacks_its_newline_is_not_lost(
    journal: Journal, rollout: Rollout
) -> None:
    write(journal, "first")
    write(journal, "second")
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    write(again(journal, rollout), "third")
    kinds = [record.kind for record in again(journal, rollout).records()]
    assert kinds == ["first", "second", "third"]


def edited(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b'"n":1', b'"n":7'), lines[2]]


def without_the_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1]]


def not_json(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"\x00\x00\n", lines[2]]


@pytest.mark.parametrize("damage", [edited, without_the_second, swapped, not_json])
def test_any_other_damage_is_refused_with_its_line_and_left_as_it_is(
    journal: Journal, rollout: Rollout, damage: object
) -> None:
    for number in range(3):
        write(journal, "check", n=number)
    assert callable(damage)
    content = b"".join(damage(journal.path.read_bytes().splitlines(keepends=True)))
    journal.path.write_bytes(content)
    with pytest.raises(StateDamaged, match=r"journal\.jsonl:2: "):
        again(journal, rollout).records()
    with pytest.raises(StateDamaged):
        write(again(journal, rollout), "more")
    assert journal.path.read_bytes() == content


def test_two_writers_share_one_chain(journal: Journal, rollout: Rollout) -> None:
    def append(count: int) -> None:
        mine = again(journal, rollout)
        for number in range(count):
            write(mine, "check", n=number)

    threads = [threading.Thread(target=append, args=(20,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(again(journal, rollout).records()) == 60


WRITER = """
import sys
from pathlib import Path
from emonk_ops.clock import SystemClock
from emonk_ops.rollout.journal import Journal
journal = Journal(Path(sys.argv[1]), clock=SystemClock())
for number in range(25):
    journal.append(run=sys.argv[2], kind="check", who={}, body={"n": number})
"""


def test_two_processes_share_one_chain(tmp_path: Path, rollout: Rollout) -> None:
    path = tmp_path / "shared.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b")
    ]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0]
    records = Journal(path, clock=rollout.clock).records()
    for name in ("a", "b"):
        assert [one.body["n"] for one in records if one.run == name] == list(range(25))


def test_the_listener_hears_of_each_write_before_and_after(rollout: Rollout) -> None:
    heard: list[tuple[str, int]] = []
    journal = rollout.book(lambda phase, seq: heard.append((phase, seq))).journal
    write(journal, "first")
    write(journal, "second")
    assert heard == [("before", 1), ("after", 1), ("before", 2), ("after", 2)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"password": "x"}, {"password": REDACTED}),
        ({"a": {"apiToken": "x", "n": 1}}, {"a": {"apiToken": REDACTED, "n": 1}}),
        ({"authorization": ["Bearer x"]}, {"authorization": [REDACTED]}),
        ({"note": "Bearer abc.def"}, {"note": f"Bearer {REDACTED}"}),
        (["--password=hunter2", "stage"], [f"--password={REDACTED}", "stage"]),
        ("eyJhbGciOi.eyJpc3MiOi.c2ln", REDACTED),
        (
            [{"name": "SLACK_TOKEN", "value": "xoxb"}, {"name": "LOG", "value": "info"}],
            [{"name": "SLACK_TOKEN", "value": REDACTED}, {"name": "LOG", "value": "info"}],
        ),
        ("postgres://ann:hunter2@db/x", f"postgres://{REDACTED}@db/x"),
        ({"tokens": 5, "secret": ""}, {"tokens": 5, "secret": ""}),
        ({"path": Path("a/b")}, {"path": "a/b"}),
    ],
)
def test_what_looks_like_a_secret_is_redacted(given: object, kept: object) -> None:
    assert redacted(given) == kept


def test_a_journal_that_another_process_holds_is_not_waited_for_for_ever(
    journal: Journal, rollout: Rollout
) -> None:
    write(journal, "note")
    impatient = Journal(journal.path, clock=rollout.clock, patience_seconds=0.05)
    holder = os.open(journal.path, os.O_RDWR)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(Locked, match="another process has held"):
            write(impatient, "note")
    finally:
        os.close(holder)
    write(impatient, "note")
