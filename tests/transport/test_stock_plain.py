"""A worker on the transport, in every pool, and clients on Celery's own, who ring no bell and are heard at once."""

import random
import statistics
import time

import celery
import pytest

from tests.transport.conftest import MakeStock

#: An idle worker looks every five seconds; less than half of that is far more than a busy machine adds.
_SOON_MS = 2000.0


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_client_on_celerys_own_transport_is_answered_at_once(
    make_stock: MakeStock, port: int, pool: str
) -> None:
    make_stock().worker(f"--pool={pool}", "--concurrency=2")
    url, taken = f"redis://127.0.0.1:{port}", []
    with celery.Celery(broker=f"{url}/0", backend=f"{url}/1", set_as_current=False) as client:
        for number in range(40):
            time.sleep(random.uniform(0.0, 0.05))
            began = time.perf_counter()
            assert client.send_task("stock_app.add", (number, 1)).get(timeout=30) == number + 1
            taken.append((time.perf_counter() - began) * 1000)

    p50, p95 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]
    print(f"\n  {pool}: round trip of a client on redis:// p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert p50 < _SOON_MS
