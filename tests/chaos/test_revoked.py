"""Row y: a call that was revoked never runs, whoever is restarted, killed or away meanwhile."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.chaos.conftest import Figures
from tests.chaos.fleet import ChaosFleet
from tests.stock.neighbour import stock

_CALL = """
import json, sys
from wasmfleet.workers.calls.catalogue import find
from wasmfleet.workers.app import app
count, how = json.load(sys.stdin)
calls = [find("chaos.nap").apply_async(kwargs={"seconds": 0.0}, lane="python") for _ in range(count)]
if how == "result":
    for call in calls:
        call.revoke()
elif how == "control":
    app.control.revoke([call.id for call in calls])
elif how == "terminate":
    app.control.terminate([call.id for call in calls])
print(json.dumps([call.id for call in calls]))
"""
#: So long a call keeps the only child busy, while programs start that publish and revoke.
_BUSY_S = 20.0
_WAYS = ("result", "control", "terminate")


@pytest.fixture
def serving(serving: ChaosFleet) -> ChaosFleet:
    serving.environment["WASMFLEET_TIME_LIMIT"] = "60"
    return serving


def outcomes(fleet: ChaosFleet, ids: list[str]) -> dict[str, str]:
    return {row["task_id"]: row["outcome"] for row in fleet.rows(*ids)}


@pytest.mark.parametrize("how", _WAYS)
def test_y_what_is_revoked_while_no_worker_is_up_never_runs(
    serving: ChaosFleet, figures: Figures, how: str
) -> None:
    ids = json.loads(serving.run(_CALL, [20, how]))
    others = json.loads(serving.run(_CALL, [5, ""]))

    serving.start_worker("python")

    serving.settle([*ids, *others])
    found = outcomes(serving, [*ids, *others])
    ran = sum(found[id] != "revoked" for id in ids)
    figures(f"y  revoked by {how}, no worker up", calls=len(ids), ran=ran)
    assert found == dict.fromkeys(ids, "revoked") | dict.fromkeys(others, "ok")
    serving.nothing_is_held()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_y_what_is_revoked_outlasts_the_workers_that_heard_of_it(
    serving: ChaosFleet, figures: Figures, how: signal.Signals
) -> None:
    pid = serving.start_worker("python")
    [busy] = serving.publish(1, "chaos.nap", seconds=_BUSY_S)
    until(lambda: busy in json.dumps(serving.active()), log=serving.output)
    ids = json.loads(serving.run(_CALL, [20, "result"]))
    os.killpg(pid, how)
    serving.wait(pid, 30)

    serving.start_worker("python")

    serving.settle([busy, *ids])
    found = outcomes(serving, [busy, *ids])
    ran = sum(found[id] != "revoked" for id in ids)
    figures(f"y  revoked, then {how.name}", calls=len(ids), ran=ran)
    assert found == dict.fromkeys(ids, "revoked") | {busy: "ok"}
    serving.nothing_is_held()


def test_y_what_waits_in_a_worker_for_its_child_is_revoked_there(
    serving: ChaosFleet, figures: Figures
) -> None:
    serving.start_worker("python")
    [busy] = serving.publish(1, "chaos.nap", seconds=_BUSY_S)
    until(lambda: busy in json.dumps(serving.active()), log=serving.output)
    ids = json.loads(serving.run(_CALL, [3, ""]))
    until(lambda: serving.held() == 4, what="the worker has taken them", log=serving.output)

    serving.run(f"from wasmfleet.workers.app import app\napp.control.revoke({ids!r})")

    serving.settle([busy, *ids])
    found = outcomes(serving, [busy, *ids])
    figures("y  revoked behind a running call", calls=3, ran=sum(found[id] != "revoked" for id in ids))
    assert found == dict.fromkeys(ids, "revoked") | {busy: "ok"}
    states = serving.run(
        "import json, sys; from wasmfleet.workers.app import app\n"
        "print(json.dumps([app.AsyncResult(id).state for id in json.load(sys.stdin)]))",
        ids,
    )
    assert json.loads(states) == ["REVOKED"] * 3
    serving.nothing_is_held()


def test_y_what_a_stock_app_revokes_holds_once_a_worker_has_heard_of_it(
    serving: ChaosFleet, tmp_path: Path, figures: Figures
) -> None:
    pid = serving.start_worker("python")
    [busy] = serving.publish(1, "chaos.nap", seconds=_BUSY_S)
    until(lambda: busy in json.dumps(serving.active()), log=serving.output)
    ids = json.loads(serving.run(_CALL, [20, ""]))
    with stock(tmp_path / "stock", serving.url) as neighbour:
        answers = neighbour.run(
            "import json, sys; from stock_app import app\n"
            "print(json.dumps(app.control.revoke(json.load(sys.stdin), reply=True, timeout=10, limit=1)))",
            ids,
        )
        heard = [answer for told in answers for answer in told.values()]
        os.killpg(pid, signal.SIGKILL)
        serving.wait(pid, 30)

        serving.start_worker("python")

        serving.settle([busy, *ids])
    found = outcomes(serving, [busy, *ids])
    figures("y  revoked by a stock app", calls=20, ran=sum(found[id] != "revoked" for id in ids))
    assert heard == [{"ok": "20 calls are flagged as revoked"}]
    assert found == dict.fromkeys(ids, "revoked") | {busy: "ok"}
