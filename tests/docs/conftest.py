from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emonk_ops.sandbox import launcher
from tests.docs.typing_along import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    try:
        yield Reader(tmp_path)
    finally:
        for endpoint in tmp_path.rglob("endpoint.json"):
            launcher.end(endpoint.parent)
