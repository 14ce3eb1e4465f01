"""A tool of the machine, for a test that cannot do without it."""

import os
from pathlib import Path

import pytest

from tests import tools


def need(name: str) -> list[Path]:
    """Return the places of a tool's parts; without the tool, skip the test, or fail it in CI."""
    tool = tools.tool(name)
    found = tool.found()
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(tools.told(tool))
    return found
