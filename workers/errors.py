"""Every error of Wasmfleet.

WasmfleetError
├── InputError                  the call is at fault; trying again gives the same
│   ├── InvalidArguments        an argument has the wrong type or value; the message names it
│   ├── UnknownOperation        no operation has this name
│   ├── InputTooLarge           the arguments are over the size limit
│   ├── InputTooDeep            the input nests deeper than the stack allows
│   ├── InvalidSource           source text that does not parse
│   ├── CorruptData             bytes that do not decode
│   ├── OutputTooLarge          the result is over its limit
│   ├── AuthenticationFailed    a tag or signature does not fit
│   └── UnknownKey              the keyring has no such key, or there is no keyring
├── LimitExceeded               a limit of the sandbox, or of a twin, was met
│   ├── DeadlineExceeded        the time limit
│   └── MemoryLimitExceeded     the memory limit
├── SandboxTrap                 the guest trapped; `trap` in the details says how
│   └── HostileReply            the guest answered with something that cannot be an answer
├── Unavailable                 nothing is wrong with the call; it may succeed later
│   ├── RuntimeUnavailable      no sandbox and the lane allows nothing else, or a package is not installed
│   ├── NotSupportedInLane      the plain-Python twin cannot do this
│   ├── BrokerUnavailable       the broker does not answer
│   └── FleetBusy               too much is queued already, or it waits too long
├── Quarantined                 the call killed its process again and again, and is set aside
├── Cancelled                   the call was cancelled before it ran
├── UnreadableResult            the store holds no readable result for the call, or an error unknown to this client
├── VersionMismatch             module, ABI or message of another version
└── InternalError               a defect of Wasmfleet; please report it

An error carries its code (the class name), a message that says what to do, and where it is about
a place in the input: line and column (from 1) and offset (from 0).
"""

from collections.abc import Mapping
from typing import Any, Final

from wasmfleet.workers.safe_text import storable


class WasmfleetError(Exception):
    """The root of all errors. `details` holds plain values only, which MessagePack and JSON carry.

    A client makes errors from what a stored result says, whatever that is, so making one never raises.
    """

    def __init__(self, message: object, details: Mapping[str, Any] | None = None) -> None:
        self.message = message if isinstance(message, str) else storable(message)
        self.details: dict[str, Any] = dict(details) if isinstance(details, Mapping) else {}
        super().__init__(*((self.message, self.details) if self.details else (self.message,)))

    @property
    def code(self) -> str:
        return type(self).__name__

    @property
    def place(self) -> dict[str, int]:
        """Line and column (from 1) and offset (from 0) of what the error is about; empty where that is no place."""
        found = {name: self.details.get(name) for name in ("line", "column", "offset")}
        return {name: value for name, value in found.items() if isinstance(value, int)}

    def __str__(self) -> str:
        place = self.place
        if "line" in place and "column" in place:
            return f"{self.message} (line {place['line']}, column {place['column']})"
        if "offset" in place:
            return f"{self.message} (offset {place['offset']})"
        return self.message


class InputError(WasmfleetError):
    """The call is at fault; trying again gives the same."""


class InvalidArguments(InputError):
    """An argument has the wrong type or value."""


class UnknownOperation(InputError):
    """No operation has this name."""


class InputTooLarge(InputError):
    """The arguments are over the size limit."""


class InputTooDeep(InputError):
    """The input nests deeper than the stack allows."""


class InvalidSource(InputError):
    """Source text that does not parse."""


class CorruptData(InputError):
    """Bytes that do not decode."""


class OutputTooLarge(InputError):
    """The result is over its limit."""


class AuthenticationFailed(InputError):
    """A tag or signature does not fit."""


class UnknownKey(InputError):
    """The keyring has no such key, or there is no keyring."""


class LimitExceeded(WasmfleetError):
    """A limit of the sandbox, or of a twin, was met."""


class DeadlineExceeded(LimitExceeded):
    """The call ran longer than its time limit."""


class MemoryLimitExceeded(LimitExceeded):
    """The call needed more memory than its limit."""


class SandboxTrap(WasmfleetError):
    """The guest trapped; `details["trap"]` says how."""


class HostileReply(SandboxTrap):
    """The guest answered with something that cannot be an answer."""


class Unavailable(WasmfleetError):
    """Nothing is wrong with the call; it may succeed later."""


class RuntimeUnavailable(Unavailable):
    """No sandbox can be had and the lane allows nothing else, or a package that the call needs is not installed."""


class NotSupportedInLane(Unavailable):
    """The plain-Python twin cannot do this."""


class BrokerUnavailable(Unavailable):
    """The broker does not answer."""


class FleetBusy(Unavailable):
    """Too much is queued already, or it waits too long."""


class Quarantined(WasmfleetError):
    """The call killed its process again and again, and is set aside."""


class Cancelled(WasmfleetError):
    """The call was cancelled before it ran."""


class UnreadableResult(WasmfleetError):
    """The store holds no readable result for the call, or an error of a class that is not made from stored text."""


class VersionMismatch(WasmfleetError):
    """Module, ABI or message of another version."""


class InternalError(WasmfleetError):
    """A defect of Wasmfleet; please report it."""


def _tree(root: type[WasmfleetError]) -> dict[str, type[WasmfleetError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


BY_CODE: Final = _tree(WasmfleetError)


def typed(error: BaseException) -> WasmfleetError:
    """Give the error that a call ends with for whatever was raised: a WasmfleetError itself, MemoryLimitExceeded for a
    MemoryError, InternalError for all else."""
    if isinstance(error, WasmfleetError):
        return error
    if isinstance(error, MemoryError):
        return MemoryLimitExceeded("the call, or its result, needed more memory than its process may use")
    return InternalError(storable(f"{type(error).__name__}: {error}"))


def from_code(code: object, message: object, details: Mapping[str, Any] | None = None) -> WasmfleetError:
    """Make the error with this code, as a worker wrote it. A code that is not known becomes HostileReply."""
    if isinstance(code, str) and code in BY_CODE:
        return BY_CODE[code](message, details)
    return HostileReply(f"unknown error code {storable(code, 80)!r}: {storable(message, 200)}", details)
