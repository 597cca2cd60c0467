"""Control of Cloud Scheduler that the real one does not have: duplicates and the dispatch offset.

Cloud Scheduler delivers at least once (scheduler/docs): in rare cases one run arrives twice.
"""

from __future__ import annotations

from emonk_ops.sandbox.control_requests import Action, Refusal, fields_of
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.scheduler.dispatch import Dispatcher
from emonk_ops.sandbox.scheduler.state import Jobs

MOST_DUPLICATES = 1_000


class SchedulerControl:
    """POST /sandbox/scheduler/duplicate and /sandbox/scheduler/offset."""

    def __init__(self, jobs: Jobs, dispatcher: Dispatcher) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher

    def actions(self) -> dict[tuple[str, str], Action]:
        return {
            ("POST", "/sandbox/scheduler/duplicate"): self._duplicate,
            ("POST", "/sandbox/scheduler/offset"): self._offset,
        }

    async def _duplicate(self, request: Request) -> Response:
        """The next `times` (default 1) scheduled runs of `job` (its full name) arrive twice."""
        fields = fields_of(request, "job")
        times = fields.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int):
            raise Refusal(400, f"times must be a whole number, got {times!r}")
        if not 1 <= times <= MOST_DUPLICATES:
            raise Refusal(400, f"times must be 1 to {MOST_DUPLICATES}, got {times}")
        name = str(fields["job"])
        if self._jobs.find(name) is None:
            known = ", ".join(job.name for job in self._jobs.under()) or "none"
            raise Refusal(404, f"there is no job {name}", f"there are: {known}")
        self._dispatcher.duplicate(name, times)
        return json_response({"job": name, "times": times})

    async def _offset(self, request: Request) -> Response:
        fields = fields_of(request, "low", "high")
        try:
            self._dispatcher.set_offset(float(fields["low"]), float(fields["high"]))
        except (TypeError, ValueError) as problem:
            raise Refusal(400, str(problem)) from None
        return json_response({"low": fields["low"], "high": fields["high"]})
