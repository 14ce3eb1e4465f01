"""A stock Celery app beside a fleet, on the fleet's broker: neither notices the other, except by calling it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import CommandLine
from tests.stock.neighbour import Neighbour, stock


@pytest.fixture(scope="module")
def neighbour(fleet: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbour]:
    """A stock app whose worker was started after the fleet."""
    url = fleet.run("url").stdout.strip()
    with stock(tmp_path_factory.mktemp("stock"), url) as made:
        made.start_worker()
        yield made


def test_a_stock_worker_starts_beside_the_fleet_and_serves_its_own_app(neighbour: Neighbour) -> None:
    client = neighbour.client()

    assert client.send_task("stock_app.add", (2, 3)).get(timeout=30) == 5
    assert client.send_task("stock_app.foreign_modules").get(timeout=30) == []
