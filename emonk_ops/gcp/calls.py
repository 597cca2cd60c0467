"""Our timeouts and retries, in place of the clients' own of up to ten minutes.

A read is asked again while the service is unavailable, for 8 s at most; a write never blindly.
"""

from __future__ import annotations

from typing import Any

READ_ATTEMPT_SECONDS = 4.0
READ_TOTAL_SECONDS = 8.0
WRITE_SECONDS = 9.0


def reading() -> dict[str, Any]:
    """`timeout` and `retry` of a call that changes nothing."""
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    retry = Retry(
        predicate=if_exception_type(exceptions.ServiceUnavailable, exceptions.DeadlineExceeded),
        initial=0.2,
        maximum=1.0,
        multiplier=2.0,
        timeout=READ_TOTAL_SECONDS,
    )
    return {"timeout": READ_ATTEMPT_SECONDS, "retry": retry}


def writing() -> dict[str, Any]:
    """`timeout` and `retry` of a call that changes something."""
    return {"timeout": WRITE_SECONDS, "retry": None}
