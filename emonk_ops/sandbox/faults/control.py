"""POST, GET and DELETE /sandbox/faults."""

from __future__ import annotations

from emonk_ops.sandbox.control_requests import Action, Refusal, fields_of
from emonk_ops.sandbox.faults.rules import BadRule, Faults, Rule, ends_after
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.world import World


class FaultControl:
    """Adds, lists and ends the rules of a world."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def actions(self) -> dict[tuple[str, str], Action]:
        return {
            ("POST", "/sandbox/faults"): self._add,
            ("GET", "/sandbox/faults"): self._list,
            ("POST", "/sandbox/faults/clear"): self._clear,
        }

    async def _add(self, request: Request) -> Response:
        """As Rule; `seconds` may stand for `until`."""
        fields = fields_of(request)
        seconds = fields.pop("seconds", None)
        if seconds is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
                raise Refusal(400, f"seconds must be a number above 0, got {seconds!r}")
            fields["until"] = ends_after(seconds, self._world.clock.now()).isoformat()
        try:
            rule = self._faults.add(fields)
        except BadRule as problem:
            raise Refusal(400, str(problem)) from None
        return json_response(self._described(rule))

    async def _list(self, _request: Request) -> Response:
        return json_response({"faults": [self._described(rule) for rule in self._faults.rules]})

    async def _clear(self, request: Request) -> Response:
        """Those of `ids`; all where none is named."""
        known = [rule.id for rule in self._faults.rules]
        ids = fields_of(request).get("ids") or known
        if strange := [one for one in ids if one not in known]:
            known_here = ", ".join(known) or "none"
            raise Refusal(404, f"no fault {', '.join(strange)}", f"in force: {known_here}")
        return json_response({"cleared": self._faults.remove(ids)})

    def _described(self, rule: Rule) -> dict[str, object]:
        return {**rule.to_dict(), "hits": self._faults.hits[rule.id]}
