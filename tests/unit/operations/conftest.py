from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

Open = Callable[..., Toolbox]


@pytest.fixture
def world() -> InMemoryWorld:
    return InMemoryWorld()


@pytest.fixture
def ports(world: InMemoryWorld) -> InMemoryPorts:
    return InMemoryPorts(world)


@pytest.fixture
def env() -> Environment:
    return Environment("qa", Target.SANDBOX, "emonk-qa")


@pytest.fixture
def tools(ports: InMemoryPorts, env: Environment, tmp_path: Path) -> Toolbox:
    return Toolbox(env=env, ports=ports, keep=tmp_path / "keep")
