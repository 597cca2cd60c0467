"""The newest capture as an annotation of the Cloud Run service: for a machine without the journal.

Annotations of a service follow the rules of Kubernetes' (Cloud Run API v2, `Service.annotations`),
which allows 256 KiB for all of an object's together, and reserves Google's own prefixes. Whoever
may read the service may read them, as the variables of its revisions: no job is in there.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from emonk_ops.errors import CloudError, StateDamaged
from emonk_ops.ports import Service
from emonk_ops.rollout.model import Facts
from emonk_ops.toolbox import Toolbox

KEY = "emonk-ops/way-back"
FORM = "way-back/1"
MOST_CHARACTERS = 32_768  # an eighth of what all annotations may have together
SPARED = ("env", "jobs")  # what a way back can do without, where it is long


def remember(tools: Toolbox, captured: Facts) -> None:
    """Write {seq, stage, at, facts} to the service, unless it is there. Raises CloudError."""
    text = pack(captured)
    if tools.run.describe_service().annotations.get(KEY) != text:
        tools.run.annotate({KEY: text})


def recall(service: Service) -> dict[str, Any] | None:
    """What was remembered last; None where nothing was. Raises StateDamaged."""
    text = service.annotations.get(KEY)
    return None if text is None else unpack(text)


def pack(captured: Facts) -> str:
    """Raises CloudError for what is too long even without what can be spared."""
    for spared in ((), SPARED):
        facts = {name: value for name, value in captured["facts"].items() if name not in spared}
        document = {**captured, "facts": facts, "form": FORM}
        line = json.dumps(document, sort_keys=True, separators=(",", ":"))
        text = base64.b85encode(zlib.compress(line.encode(), 9)).decode()
        if len(text) <= MOST_CHARACTERS:
            return text
    raise CloudError(f"the way back has {len(text)} characters, an annotation {MOST_CHARACTERS}")


def unpack(text: str) -> dict[str, Any]:
    try:
        found = json.loads(zlib.decompress(base64.b85decode(text)))
        if not isinstance(found, Mapping) or found.get("form") != FORM:
            raise ValueError("it has another form")
        return {name: found[name] for name in ("seq", "stage", "at", "facts")}
    except (ValueError, KeyError, zlib.error) as error:
        raise StateDamaged(
            f"the annotation {KEY} of the service cannot be read: {error}",
            hint="Somebody else wrote it; the next stage writes it anew",
        ) from error
