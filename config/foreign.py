"""Variables that begin as the settings do and are none: those that Kubernetes or Docker set for services, and others.

Kubernetes describes each service of a namespace in the variables of every container: a service named `wasmfleet-broker`
gives `WASMFLEET_BROKER_SERVICE_HOST`, `WASMFLEET_BROKER_PORT=tcp://10.0.0.1:6379` and more, unless the pod says
`enableServiceLinks: false`. Docker's links have the same form.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

PREFIX: Final = "WASMFLEET_"
MEND: Final = "set enableServiceLinks: false in the pod, or give the service another name"
_logger: Final = logging.getLogger("wasmfleet.config")
_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://\S+:\d+", re.ASCII)
_OF_A_SERVICE: Final = re.compile(
    r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_.+)", re.ASCII
)
#: How alike a name must be to a setting's to be taken for that one, misspelt: `LANES` is, `IMAGE` is not.
_ALIKE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Foreign:
    """A variable that is ignored, or refused where it is `meant` to be a setting that has another name.

    `is_setting` says that it has a setting's name, and the address of a service as its value.
    """

    variable: str
    text: str
    is_setting: bool
    meant: str

    @property
    def reason(self) -> str:
        """Why it sets nothing."""
        if is_of_a_service(self.variable, self.text):
            return "it describes a service, as Kubernetes and Docker do"
        return "it is not a setting"

    def warn(self) -> None:
        """Say that it is ignored, unless it is one of the many that describe services and have no setting's name."""
        if self.is_setting:
            _logger.warning("%s=%s is ignored: %s; %s", self.variable, self.text, self.reason, MEND)
        elif not is_of_a_service(self.variable, self.text):
            _logger.warning("%s is ignored: %s of Wasmfleet", self.variable, self.reason)


def is_address(text: str) -> bool:
    """Tell whether a value is the address of a service, `tcp://10.0.0.1:6379`, which no setting can be."""
    return _ADDRESS.fullmatch(text) is not None


def is_of_a_service(variable: str, text: str) -> bool:
    """Tell whether a variable is one that Kubernetes or Docker sets for a service, by its name and value."""
    if _OF_A_SERVICE.fullmatch(variable.removeprefix(PREFIX)):
        return True
    return (is_address(text) and variable.endswith("_PORT")) or (
        text.startswith("/") and variable.endswith("_NAME")
    )


def found(environment: Mapping[str, str], known: Iterable[str]) -> list[Foreign]:
    """List the variables that begin as ours do and set nothing, in order of their names."""
    settings = frozenset(known)
    ours = sorted((name, text) for name, text in environment.items() if name.startswith(PREFIX))
    return [
        Foreign(name, text, is_setting=name in settings, meant=_meant(name, text, settings))
        for name, text in ours
        if name not in settings or is_of_a_service(name, text)
    ]


def _meant(variable: str, text: str, settings: frozenset[str]) -> str:
    """Return the setting that a variable is a misspelling of, or an empty text."""
    if is_of_a_service(variable, text):
        return ""
    names = [name.removeprefix(PREFIX) for name in settings]
    near = get_close_matches(variable.removeprefix(PREFIX), names, 1, _ALIKE)
    return PREFIX + near[0] if near else ""
