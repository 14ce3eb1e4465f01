"""Forged results in the result store: clients read them, and workers find them where they store their own."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgpack
from redis import Redis

from tests.attack import mutation, oracle, values
from tests.attack.findings import Finding
from tests.attack.wire import Sent
from tests.chaos.fleet import ChaosFleet

_COUNT: Final = 60
#: A client that reads each forged result, as a call's and as a batch's, and prints whether it got a value, a typed
#: error or anything else.
_READ: Final = """
import json, os, sys, traceback
from celery.exceptions import TimeoutError as Late
from wasmfleet.tasks import digest
from wasmfleet.workers.calls.batch import Batch
from wasmfleet.workers.errors import WasmfleetError

def outcome(read):
    try:
        read()
    except (WasmfleetError, Late, TimeoutError) as error:
        return ["typed", str(error)]
    except BaseException as error:
        return [type(error).__name__, traceback.format_exc()[-3000:]]
    return ["value", ""]

found = []
for id in json.load(sys.stdin):
    result = digest.digest.AsyncResult(id)
    found.append([id, "get", *outcome(lambda: result.get(timeout=0.3))])
    found.append([id, "batch", *outcome(lambda: list(Batch([(result, 2)]).results(timeout=0.3)))])
print(json.dumps(found), flush=True)
os._exit(0)  # results that are dropped at the end of a process write to stderr
"""


def read(fleet: ChaosFleet, broker: "Redis", dice: random.Random, trap: Path) -> list[Finding]:
    """Let a client read forged results; return a finding for each that raises anything but a typed error."""
    forged = {f"forged-{n}": _result(f"forged-{n}", dice, trap) for n in range(_COUNT)}
    for id, raw in forged.items():
        broker.set(f"celery-task-meta-{id}", raw, ex=120)
    found = []
    for id, by, outcome, told in json.loads(fleet.run(_READ, list(forged))):
        if outcome not in ("typed", "value"):
            message = Sent("forged result", f"celery-task-meta-{id}", forged[id])
            found.append(
                Finding("a forged result is no typed error", f"{by}: {oracle.defect(told)}", told, (message,))
            )
    return found


def put_before(broker: "Redis", ids: Sequence[str], dice: random.Random) -> None:
    """Forge results of calls that have not run yet: a worker reads what is stored before it stores its own result."""
    for id in ids:
        broker.set(f"celery-task-meta-{id}", _result(id, dice, Path("/nowhere")), ex=120)


def _result(id: str, dice: random.Random, trap: Path) -> bytes:
    error = {
        "exc_type": dice.choice(
            ("InvalidArguments", "system", "SystemExit", "KeyboardInterrupt", "x", 5, None)
        ),
        "exc_message": dice.choice(([f"touch {trap}"], ["x", {}], f"touch {trap}", 5, None, [values.ESCAPE])),
        "exc_module": dice.choice(("wasmfleet.workers.errors", "os", "builtins", "subprocess", 5, None)),
    }
    batch: Any = [[0, "x"], [1, "NoSuchCode", 5, []], [1], 5, [1, "SandboxTrap", "x", {"a": 1}]]
    meta: dict[str, Any] = {
        "status": dice.choice(("SUCCESS", "FAILURE", "FAILURE", "REVOKED", "RETRY", "PENDING", "x", 5)),
        "result": dice.choice((error, error, batch, "x", None, dice.sample(batch, 2))),
        "traceback": dice.choice((None, values.FORGED_LINE, 5)),
        "children": dice.choice(([], None, [[["x", None], None]], 5)),
        "date_done": None,
        "task_id": id,
    }
    changed = mutation.value_changed(meta, dice) if dice.random() < 0.4 else meta
    try:
        packed: bytes = json.dumps(changed).encode() if dice.random() < 0.4 else values.to_msgpack(changed)
    except (OverflowError, ValueError):
        packed = msgpack.packb(meta)
    return mutation.bytes_changed(packed, dice) if dice.random() < 0.25 else packed
