"""The version of the service; the image that holds only the service has no metadata to ask."""

from __future__ import annotations

VERSION = "0.4.0"
