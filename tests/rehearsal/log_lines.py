"""Lines written into a service's log beside its own, as one more of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import LogEntry

from emonk_ops import ports
from emonk_ops.gcp.endpoints import sandbox_address
from emonk_ops.toolbox import Toolbox


def write_like(tools: Toolbox, like: ports.LogEntry, **changes: Any) -> None:
    """The same line a second later, with other fields."""
    labels = {name: value for name, value in like.resource.items() if name != "type"}
    entry = LogEntry(
        log_name=f"projects/{tools.env.project}/logs/run.googleapis.com%2Fstdout",
        resource={"type": "cloud_run_revision", "labels": labels},
        json_payload={**like.payload, **changes},
        timestamp=like.timestamp + timedelta(seconds=1),
    )
    transport = LoggingServiceV2Client.get_transport_class("grpc")
    channel = grpc.insecure_channel(sandbox_address(tools.env).grpc)
    with LoggingServiceV2Client(transport=transport(channel=channel)) as client:
        client.write_log_entries(entries=[entry], timeout=10)
