"""The checks of `wasmfleet doctor` on URLs as they were given, before anything parses them."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from wasmfleet.config.foreign import PREFIX
from wasmfleet.config.settings import OWN_TRANSPORT
from wasmfleet.workers.cli.checkup import Checkup, problem, warning

_URLS: Final = ("BROKER_URL", "RESULT_URL", "STATE_URL")
#: What means something else in a URL unless it is written as %40, %2F and so on.
_CUTTING: Final = "/#?"
_ENCODE: Final = "write {} in its password as {}; Python's urllib.parse.quote(password, safe='') does that"


def examine(environment: Mapping[str, str]) -> Iterator[Checkup]:
    """Report what a URL cannot mean as it stands. No finding has a part of a password in it."""
    for name in (PREFIX + name for name in _URLS):
        text = environment.get(name, "").removeprefix(OWN_TRANSPORT)
        if text.count("://") > 1 or "," in text.rpartition("@")[2].partition("/")[0]:
            mend = "give one; for failover, one address that leads to the master"
            yield problem("settings", f"{name} holds several URLs, as Celery's failover takes them", mend)
        else:
            yield from _password(name, text)


def _password(name: str, text: str) -> Iterator[Checkup]:
    login, at, _ = text.partition("://")[2].rpartition("@")
    password = login.partition(":")[2]
    if not at:
        return
    for character in _CUTTING:
        if character in login:
            finding = f"{name} has an unencoded {character} before its @, which ends the name of the host"
            yield problem("settings", finding, _ENCODE.format(character, f"%{ord(character):02X}"))
    if "@" in password:
        yield warning("settings", f"{name} has an unencoded @ in its password", _ENCODE.format("@", "%40"))
    if re.search(r"%(?![0-9A-Fa-f]{2})", password):
        yield warning("settings", f"{name} has an unencoded % in its password", _ENCODE.format("%", "%25"))
