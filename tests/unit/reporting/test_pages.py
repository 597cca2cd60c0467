"""The page, the text and the drawings: well formed, complete in themselves, and escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.reporting.document import Document, Paragraph, Table
from emonk_ops.reporting.folder import files_of
from emonk_ops.reporting.markdown import escaped, to_markdown

from .telling import Telling, captured, check, fault, look, soak, step, way_back

BAD = '<script>alert("x")</script> & | *bold* `tick` [a](b)'
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Outline(HTMLParser):
    """Every tag with its attributes; each that is opened must be closed by its own end."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Of a rollout in which much happened, with bad words in every text that people write."""
    telling = Telling(tmp_path)
    word = {"stage": 0, "check": "review", "word": BAD, "over": "ASK"}
    telling.run("stage", ("attested", word), check("review", "ASK", word=BAD), stage=0)
    telling.run("stage", captured(1), *step(BAD), check(BAD, "FAIL"), stage=1, reason=BAD)
    worse = look(10, 100.0, BAD, ticks_expected=5, ticks_arrived=3)
    telling.run("stage", *soak(look(5, 300.0), worse, needed=60.0), stage=3, summary=BAD)
    telling.run("inject", *fault(BAD, "FAIL"))
    telling.run("rollback", *way_back(1, 5), reason=BAD, code=ExitCode.RESTORE_INCOMPLETE)
    telling.run("rollback", *way_back(1, 5)[:2], code=None)
    telling.note("hold.set", {"reason": BAD})
    return files_of([telling.story("sandbox")])


def test_the_page_is_well_formed_and_all_in_itself(files: dict[str, bytes]) -> None:
    page = files["report.html"].decode()
    outline = Outline(page)
    tags = {tag for tag, _ in outline.tags}
    assert {"svg", "table", "details", "ol", "style"} <= tags
    assert not tags & {"script", "link", "img", "iframe", "object"}
    named = [name for _, attributes in outline.tags for name in attributes]
    assert not [name for name in named if name in ("src", "href") or name.startswith("on")]
    addresses = set(re.findall(r"[a-z]+://[^\"<]*", page)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert "url(" not in page


def test_what_people_wrote_is_text_and_nothing_else(files: dict[str, bytes]) -> None:
    page = files["report.html"].decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert BAD in "".join(Outline(page).words)
    text = files["report.md"].decode()
    assert "<script" not in re.sub(r"(`+).*?\1", "", text).replace(r"\<script", "")
    assert all(b"<script" not in blob for name, blob in files.items() if name.endswith(".svg"))


def test_that_it_is_a_rehearsal_is_said_before_anything_else(files: dict[str, bytes]) -> None:
    words = " ".join("".join(Outline(files["report.html"].decode()).words).split())
    assert words.index("NO EVIDENCE of how the real cloud behaves") < words.index("Who drives")
    assert "NO EVIDENCE: shorter than the guide asks for: shadow of stage 3 in qa" in words


def test_every_drawing_is_a_file_of_its_own_and_named_by_the_text(files: dict[str, bytes]) -> None:
    drawn = {name for name in files if name.endswith(".svg")}
    linked = set(re.findall(r"\]\((plots/[^)]*\.svg)\)", files["report.md"].decode()))
    assert drawn == linked
    assert len(drawn) >= 5
    for name in drawn:
        root = ElementTree.fromstring(files[name])
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        for shape in root.iter():
            numbers = [float(shape.get(key, "0")) for key in ("width", "height", "r", "x", "cx")]
            assert all(one == one and abs(one) < 10_000 for one in numbers), shape.attrib
            assert min(numbers[:3]) >= 0, shape.attrib


def test_missing_ticks_are_in_the_title_of_their_drawing(files: dict[str, bytes]) -> None:
    (name,) = (one for one in files if "ticks-soak" in one)
    assert "3 of 5 expected ticks arrived" in files[name].decode()


def test_the_journal_and_the_verdicts_go_along(files: dict[str, bytes]) -> None:
    lines = files["journal-qa.jsonl"].splitlines()
    assert json.loads(lines[0])["kind"] == "run.started"
    found = json.loads(files["verdicts.json"])["qa"]
    assert {"review", BAD, "again"} <= {one["id"] for one in found}
    assert {one["attestation"]["word"] for one in found if one["attestation"]} == {BAD}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a | b", r"a \| b"),
        ("# no head", r"\# no head"),
        ("two\nlines", "two lines"),
        ("a_b*c`d", r"a\_b\*c\`d"),
        ("<b>", r"\<b\>"),
    ],
)
def test_markdown_means_nothing_in_a_text(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_bold_beginning_is_no_part_of_the_next_word(files: dict[str, bytes]) -> None:
    assert "1. **Where it stands:** qa " in files["report.md"].decode()


def test_a_bar_ends_no_cell() -> None:
    table = Table(("a", "b"), [(["x|y"], ["z"])])
    text = to_markdown(Document("t", [Paragraph(["one"]), table]), "plots")
    (row,) = (line for line in text.splitlines() if "z" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
