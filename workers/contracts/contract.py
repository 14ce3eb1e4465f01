"""The contract of an operation: names, types and defaults of the arguments that a message may carry."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec

from wasmfleet.workers.contracts import base64_text, reasons
from wasmfleet.workers.contracts.plain import plain
from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import InvalidArguments

Arguments = dict[str, Any]
_encoder: Final = msgspec.msgpack.Encoder()


class Supplied:
    """Default of a parameter that the worker fills in, such as a key or a nonce, which no message may carry."""

    def __init__(self, resolve: Callable[[Arguments], Any]) -> None:
        self.resolve = resolve


def supplied(resolve: Callable[[Arguments], Any]) -> Any:
    """Mark a parameter as filled in at the worker, where `resolve` makes its value from the call's other arguments."""
    return Supplied(resolve)


class Contract:
    """The arguments that a call of one operation may carry, made from the operation's signature.

    `order` has the names of all parameters, `wire` those that a message carries, `types` the types of the latter.
    """

    def __init__(self, name: str, signature: inspect.Signature, hints: Mapping[str, Any]) -> None:
        self.name = name
        parameters = signature.parameters.values()
        self.order = tuple(parameter.name for parameter in parameters)
        self.wire = tuple(p.name for p in parameters if not isinstance(p.default, Supplied))
        self._supplied = {p.name: p.default for p in parameters if isinstance(p.default, Supplied)}
        self.types = {name: hints[name] for name in self.wire}
        self._with_bytes = [name for name, hint in self.types.items() if base64_text.takes_bytes(hint)]
        self._struct = msgspec.defstruct(
            "Arguments",
            [_field(p, hints[p.name]) for p in parameters if p.name in self.wire],
            kw_only=True,
            forbid_unknown_fields=True,
        )

    @classmethod
    def of(cls, name: str, function: Callable[..., Any]) -> "Contract":
        """Read the contract of the operation `name` from a function's signature and type hints."""
        return cls(name, inspect.signature(function), get_type_hints(function, include_extras=True))

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Check a call's arguments and return them by name, with defaults filled in. Raises InvalidArguments.

        Subclasses of plain types, numbers and arrays of numpy's, and mappings become plain values.
        """
        named = self.named(args, kwargs)
        try:
            return self._converted({name: plain(value) for name, value in named.items()})
        except RecursionError:
            raise InvalidArguments(f"{self.name}: the arguments nest too deep to be sent") from None

    def sendable(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Arguments, Arguments]:
        """Check a call's arguments; return them as they were given, by place and by name, in plain values, and then all
        of them as `check` does. Raises InvalidArguments."""
        checked = self.check(args, kwargs)
        by_place = tuple(checked[name] for name in self.wire[: len(args)])
        return by_place, {name: checked[name] for name in kwargs}, checked

    def received(self, args: Sequence[Any], kwargs: Mapping[str, Any], *, is_json: bool = False) -> Arguments:
        """Check the arguments of a message and return them by name, with defaults filled in. Raises InvalidArguments.

        In a message that was JSON, text is base64 where an argument is bytes. A decoder makes plain values only.
        """
        named = self.named(args, kwargs)
        return self._converted(self._with_decoded(named) if is_json else named)

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return a call's arguments by name, with no default filled in and no type checked. Raises InvalidArguments."""
        if len(args) > len(self.wire):
            takes = counted(len(self.wire), "argument", "arguments")
            raise InvalidArguments(f"{self.name} takes {takes}, {len(args)} given")
        named = dict(zip(self.wire, args, strict=False))
        twice = named.keys() & kwargs.keys()
        if twice:
            raise InvalidArguments(f"{self.name}: `{min(twice)}` is given twice")
        return named | dict(kwargs)

    def _with_decoded(self, named: Arguments) -> Arguments:
        found = dict(named)
        for name in self._with_bytes:
            if name in found:
                try:
                    found[name] = base64_text.with_bytes(found[name], self.types[name])
                except base64_text.NotBase64:
                    raise InvalidArguments(
                        f"{self.name}: `{name}`: expected `bytes`, got text that is not base64 (RFC 4648)"
                    ) from None
        return found

    def _converted(self, given: Arguments) -> Arguments:
        try:
            checked = msgspec.convert(given, self._struct, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            reason = reasons.explained(str(error), given, self.types)
            raise InvalidArguments(f"{self.name}: {reason}") from None
        except UnicodeEncodeError as error:
            raise _lone_surrogate(self.name, error) from None
        return {name: getattr(checked, name) for name in self.wire}

    def complete(self, arguments: Arguments) -> Arguments:
        """Add the arguments that the worker supplies, and return all in the order of the signature.

        Raises what the suppliers raise, such as UnknownKey.
        """
        if not self._supplied:
            return arguments
        filled = {name: supplied.resolve(arguments) for name, supplied in self._supplied.items()}
        return {name: filled[name] if name in filled else arguments[name] for name in self.order}

    def encode(self, arguments: Arguments) -> bytes:
        """Encode the arguments as a MessagePack array. Raises InvalidArguments for what MessagePack cannot carry."""
        try:
            return _encoder.encode(list(arguments.values()))
        except UnicodeEncodeError as error:
            raise _lone_surrogate(self.name, error) from None
        except (TypeError, OverflowError, RecursionError) as error:
            raise InvalidArguments(f"{self.name}: the arguments cannot be sent: {error}") from None


def _lone_surrogate(name: str, error: UnicodeEncodeError) -> InvalidArguments:
    reason = f"a lone surrogate at offset {error.start}, which UTF-8 cannot carry"
    return InvalidArguments(f"{name}: a name or a text holds {reason}", {"offset": error.start})


def _field(parameter: inspect.Parameter, annotation: Any) -> Any:
    if parameter.default is inspect.Parameter.empty:
        return (parameter.name, annotation)
    if isinstance(parameter.default, list | dict):
        return (parameter.name, annotation, msgspec.field(default_factory=parameter.default.copy))
    return (parameter.name, annotation, parameter.default)
