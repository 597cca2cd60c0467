"""Control of identity that the real one does not have: tokens, addresses, the delay of changes."""

from __future__ import annotations

from emonk_ops.sandbox.control_requests import Action, Refusal, fields_of
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.iam.callers import Callers
from emonk_ops.sandbox.iam.policies import Policies
from emonk_ops.sandbox.world import World

LONGEST_DELAY_SECONDS = 86_400.0


class IdentityControl:
    """POST /sandbox/iam/identity and /sandbox/iam/delay."""

    def __init__(self, world: World, callers: Callers, policies: Policies) -> None:
        self._world = world
        self._callers = callers
        self._policies = policies

    def actions(self) -> dict[tuple[str, str], Action]:
        return {
            ("POST", "/sandbox/iam/identity"): self._identity,
            ("POST", "/sandbox/iam/delay"): self._delay,
            ("GET", "/sandbox/iam/delay"): self._told,
        }

    async def _identity(self, request: Request) -> Response:
        """An address and an access token by which a caller is the account `email`."""
        email = str(fields_of(request, "email")["email"])
        if "@" not in email:
            raise Refusal(400, f"'{email}' is no e-mail address", "for example a service account's")
        address = await self._world.address_of(email)
        token = self._callers.token(email)
        return json_response({"email": email, "grpc": address, "token": token})

    async def _delay(self, request: Request) -> Response:
        seconds = fields_of(request, "seconds")["seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise Refusal(400, f"seconds must be a number, got {seconds!r}")
        if not 0 <= seconds <= LONGEST_DELAY_SECONDS:
            raise Refusal(400, f"seconds must be 0 to {LONGEST_DELAY_SECONDS:g}, got {seconds}")
        self._policies.set_delay(float(seconds))
        return await self._told(request)

    async def _told(self, _request: Request) -> Response:
        return json_response({"seconds": self._policies.delay.total_seconds()})
