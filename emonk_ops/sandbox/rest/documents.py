"""Firestore's paths: only their length tells a document from a collection."""

from __future__ import annotations

from emonk_ops.sandbox.rest.templates import Template

_MARK = "/documents/"
_OF_A_COLLECTION = "/{collection_id}"


def sensible(template: Template, path: str) -> bool:
    """False for a template of a document on a collection's path, and the other way round.

    documents/{c}/{d} is a document and documents/{c}/{d}/{c} a collection, and both match the
    template of either.
    """
    if _MARK not in path or "/documents" not in template.text or template.has_verb:
        return True
    even = len(path.partition(_MARK)[2].split("/")) % 2 == 0
    return even != template.text.endswith(_OF_A_COLLECTION)
