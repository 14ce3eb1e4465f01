"""Both lanes of every operation keep their stated parity on calls made from the operation's contract."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.conformance import inputs, parity
from tests.test_house import operations
from wasmfleet.workers.contracts.operation import Operation

#: The least percentage of calls that must end with a value in both lanes: if all are refused, nothing is tested.
_LEAST_VALUES = 5


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_both_lanes_keep_the_stated_parity(operation: Operation) -> None:
    ended: Counter[str] = Counter()

    def agree(arguments: dict[str, Any]) -> None:
        sandboxed, plain = (parity.answer(operation, lane, arguments) for lane in ("wasm", "python"))
        ended[sandboxed.code or plain.code or "value"] += 1
        for given_answer in (sandboxed, plain):
            if not given_answer.error:
                parity.assert_well_formed(operation, given_answer.value)
        parity.assert_agree(operation, arguments, sandboxed, plain)

    agree.__name__ = operation.name.replace(
        ".", "_"
    )  # Hypothesis keeps failing examples by this name, so each operation needs its own
    # A busy machine makes calls slow; that is no defect of an operation.
    unhurried = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    unhurried(given(arguments=inputs.of(operation))(agree))()

    print(operation.name, dict(ended))
    assert ended["value"] * 100 >= ended.total() * _LEAST_VALUES, ended
