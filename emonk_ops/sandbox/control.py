"""The sandbox's own HTTP face, under /sandbox/: what no real cloud has."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.sandbox.control_requests import Action, Refusal, fields_of
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.world import Api, World

CERTIFICATES_MAX_AGE = 3_600


class Control:
    """Answers /oidc/certs and /sandbox/...; errors are `{"error": {"message", "hint"}}`."""

    def __init__(
        self, world: World, apis: dict[str, Api], populate: Callable[[], Awaitable[None]]
    ) -> None:
        self._world = world
        self._apis = apis
        self._populate = populate
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "/oidc/certs"): self._certs,
            ("GET", "/sandbox/status"): self._status,
            ("GET", "/sandbox/clock"): self._clock,
            ("POST", "/sandbox/clock/wait"): self._wait,
            ("POST", "/sandbox/clock/advance"): self._advance,
            ("POST", "/sandbox/token"): self._token,
            ("POST", "/sandbox/seed"): self._seed,
            ("POST", "/sandbox/reset"): self._reset,
        }

    def add(self, actions: dict[tuple[str, str], Action]) -> None:
        """Take in the control actions that an API brings for its own things."""
        self._actions.update(actions)

    async def handle(self, request: Request) -> Response:
        action = self._actions.get((request.method, request.path))
        try:
            if action is None:
                raise Refusal(404, f"there is no {request.method} {request.path}", self._known())
            return await action(request)
        except Refusal as refusal:
            problem = {"message": str(refusal), "hint": refusal.hint}
            return json_response({"error": problem}, refusal.status)

    def _known(self) -> str:
        return "there are: " + ", ".join(f"{method} {path}" for method, path in self._actions)

    async def _certs(self, _request: Request) -> Response:
        age = f"public, max-age={CERTIFICATES_MAX_AGE}".encode()
        return json_response(self._world.oidc.certs(), headers=[(b"cache-control", age)])

    async def _status(self, _request: Request) -> Response:
        described: dict[str, Any] = {
            "pid": os.getpid(),
            "grpc": self._world.grpc_address,
            "http": self._world.http_url,
            "clock": self._clock_state(),
        }
        for name, api in self._apis.items():
            describe = getattr(api, "describe", None)
            if describe is not None:
                described[name] = describe()
        return json_response(described)

    def _clock_state(self) -> dict[str, Any]:
        clock = self._world.clock
        waiting = clock.waiting
        return {
            "mode": clock.mode,
            "now": clock.now().isoformat(),
            "waiting": waiting.isoformat() if waiting else None,
            "busy": clock.activities,
        }

    async def _clock(self, _request: Request) -> Response:
        return json_response(self._clock_state())

    async def _wait(self, request: Request) -> Response:
        until = _moment(fields_of(request, "until")["until"])
        await self._world.clock.wait_until(until)
        return json_response(self._clock_state())

    async def _advance(self, request: Request) -> Response:
        clock = self._world.clock
        if clock.mode == "real":
            raise Refusal(
                409,
                "a real clock cannot be advanced",
                "start the sandbox with: emonk-ops sandbox up --clock virtual",
            )
        seconds = fields_of(request, "seconds")["seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise Refusal(400, f"seconds must be a number of at least 0, got {seconds!r}")
        await clock.wait_until(clock.now() + timedelta(seconds=seconds))
        return json_response(self._clock_state())

    async def _token(self, request: Request) -> Response:
        fields = fields_of(request, "email", "audience")
        return json_response({"token": self._world.oidc.token(fields["email"], fields["audience"])})

    async def _seed(self, request: Request) -> Response:
        self._world.rng.seed(fields_of(request, "seed")["seed"])
        return json_response({"ok": True})

    async def _reset(self, _request: Request) -> Response:
        kept = {name: self._world.store.get("sandbox", name) for name in ("ports",)}
        for api in reversed(list(self._apis.values())):
            await api.reset()
        self._world.store.clear()
        for name, value in kept.items():
            if value is not None:
                self._world.store.put("sandbox", name, value)
        await self._populate()
        return await self._status(_request)


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise Refusal(400, f"not a time: {text!r}", "for example 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise Refusal(400, f"the time has no zone: {text!r}", f"for example {text}Z")
    return moment.astimezone(UTC)
