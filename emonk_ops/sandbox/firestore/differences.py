"""Where the sandbox's Firestore answers otherwise than Google's emulator, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One known difference; each is left out of the comparison with the emulator."""

    what: str
    emulator: str
    sandbox: str
    why: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "two transactions that wait for each other's document",
        "both wait; one is aborted after two seconds",
        "the later one is aborted at once, with the same error",
        "no wait can help; a round of a race costs milliseconds",
    ),
    Difference(
        "a commit to a document of another database than the request's",
        "written",
        "INVALID_ARGUMENT",
        "the platform refuses it",
    ),
    Difference(
        "more than five aggregations",
        "UNKNOWN without a message",
        "INVALID_ARGUMENT",
        "the platform's documented limit; the emulator breaks",
    ),
    Difference(
        "`skipped_results` of a query with an offset",
        "left out where the first document is the last one",
        "always on the first document",
        "the API says how many were skipped",
    ),
    Difference(
        "ListDocuments with `show_missing` and a mask",
        "the mask is not applied",
        "the mask is applied",
        "the API documents the mask for every document",
    ),
    Difference(
        "ListDocuments with `show_missing` of a document that was deleted",
        "`update_time` is when it was deleted",
        "no `update_time`",
        "the API documents that a missing document has neither time",
    ),
    Difference(
        "BatchWrite without `authorization: Bearer owner`",
        "PERMISSION_DENIED",
        "allowed for a caller without an identity; an identity needs its role",
        "the sandbox has accounts, and the emulator has none",
    ),
    Difference(
        "a field or mask path `__name__` in a write",
        "a field `__key__` appears",
        "a field `__name__` appears",
        "the emulator shows its inner name; the platform refuses it",
    ),
    Difference(
        "page tokens, automatic ids and transaction ids",
        "its own bytes",
        "other bytes",
        "they are opaque",
    ),
    Difference(
        "reads at a `read_time` of more than an hour ago",
        "answered",
        "FAILED_PRECONDITION",
        "a database without point-in-time recovery keeps an hour, and the platform refuses more",
    ),
    Difference(
        "reads at a `read_time` before a restart",
        "nothing is left of it, documents included",
        "what is there now: versions of this run are kept",
        "the file holds the documents, not their past",
    ),
    Difference(
        "a query that is wrong elsewhere and has a comparison that never holds (`a < null`)",
        "answered with nothing, before the rest of it is looked at",
        "INVALID_ARGUMENT for what is wrong",
        "a query must not become right by what it compares with",
    ),
    Difference(
        "a request with several faults",
        "INVALID_ARGUMENT for one of them",
        "INVALID_ARGUMENT for one of them, perhaps another",
        "the order in which faults are looked for is nobody's promise",
    ),
    Difference(
        "a query for which the emulator asks for an index",
        "FAILED_PRECONDITION",
        "answered",
        "the sandbox makes the indexes it needs by itself",
    ),
    Difference(
        "a change in what a listened query with a limit finds",
        "RESET and the whole result again",
        "what came and what went",
        "the API allows both, and clients show the same snapshot",
    ),
    Difference(
        "a listened target that cannot be, and one that is wanted once",
        "UNKNOWN without a message; it stays",
        "REMOVE, with its cause where it has one",
        "the API documents both",
    ),
    Difference(
        "PartitionQuery",
        "UNIMPLEMENTED",
        "served; parts of at least 128 documents",
        "Google's clients cut collection groups with it",
    ),
    Difference(
        "ExecutePipeline, Write",
        "ExecutePipeline is refused, Write is served",
        "both are UNIMPLEMENTED",
        "nothing here needs them yet",
    ),
)


def as_table() -> str:
    """The differences in Markdown, for the documents."""
    lines = ["| what | Google's emulator | the sandbox | why |", "|---|---|---|---|"]
    lines += [f"| {d.what} | {d.emulator} | {d.sandbox} | {d.why} |" for d in DIFFERENCES]
    return "\n".join(lines) + "\n"
