"""What a worker reports of its settings with each heartbeat, and where two such reports differ."""

from collections.abc import Iterator, Mapping
from typing import Final

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import Settings, without_password
from wasmfleet.workers.errors import UnknownKey
from wasmfleet.workers.node import data_folder, memory
from wasmfleet.workers.runtime import modules
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import keyring

#: Settings of which a call's fate depends: what is refused, what is stopped, who may read and order what.
_PLAIN: Final = (
    *("time_limit", "memory_limit", "max_input", "max_output", "max_values"),
    *("retention_days", "remote_control", "seal_key"),
)
#: What a process without a worker's task need not have.
_OF_WORKERS: Final = frozenset(["keyring"])
#: What is a matter of one machine.
_OF_NODES: Final = frozenset(["log"])
_NO_KEYRING: Final = "none"
_UNREADABLE: Final = "unreadable: "
MEND_TROUBLES: Final = "set WASMFLEET_MEMORY_LIMIT or WASMFLEET_CONCURRENCY lower, or give it more"


def of(settings: Settings) -> dict[str, str]:
    """Return what is safety-relevant in the settings of this process, as text by name. Nothing in it is secret."""
    plain = {name: str(getattr(settings, name)) for name in _PLAIN}
    own = sorted(modules.files(settings).keys() - modules.manifest().keys())
    told = plain | {
        "lanes": ", ".join(queues.lane_queues(settings)) + ", celery" * settings.serves_default_queue,
        "modules": ", ".join(own) or "built-in ones only",
        "keyring": _key_ids(),
        "log": str(data_folder.result_log(settings)),
        "result_url": without_password(settings.result_url) or "the broker",
    }
    return {name: storable(value) for name, value in told.items()}  # a path need not be UTF-8


def troubles(settings: Settings) -> list[str]:
    """Return what a worker finds wrong with its own host, in sentences for an operator."""
    given, wanted = memory.cgroup_bytes(), memory.most_needed_bytes(settings)
    if given is None or given >= wanted:
        return []
    return [
        f"its cgroup has {given >> 20:,} MiB of memory, and its children may need {wanted >> 20:,} "
        "(WASMFLEET_MEMORY_LIMIT for each of WASMFLEET_CONCURRENCY)"
    ]


def differences(
    theirs: Mapping[str, str], ours: Mapping[str, str], *, same_node: bool, both_workers: bool
) -> Iterator[str]:
    """Say where a worker's report differs from another worker's, or from that of a process that makes calls.

    An empty report is that of a worker of an older version, of which nothing can be said.
    """
    for name in theirs.keys() & ours.keys():
        is_skipped = (name in _OF_NODES and not same_node) or (name in _OF_WORKERS and not both_workers)
        if theirs[name] != ours[name] and not is_skipped:
            yield f"{name} is {theirs[name] or 'not set'} there, {ours[name] or 'not set'} here"
    if theirs and not both_workers:
        yield from _lacking(theirs.get("keyring", ""), ours.get("keyring", ""), ours.get("seal_key", ""))


def _lacking(theirs: str, ours: str, sealing: str) -> Iterator[str]:
    """Say which keys that calls made here may name are not in a worker's keyring. It may have more of them."""
    has = set() if theirs.startswith(_UNREADABLE) else set(theirs.split(", "))
    if sealing and sealing not in has:
        yield f"its keyring lacks the key {sealing} with which calls are sealed here"
    if ours == _NO_KEYRING or ours.startswith(_UNREADABLE):
        return
    if lacks := [key for key in ours.split(", ") if key and key not in has | {sealing}]:
        yield f"its keyring ({theirs or 'not set'}) lacks {', '.join(lacks)}, of the keyring here"


def _key_ids() -> str:
    try:
        return ", ".join(keyring.ids()) or _NO_KEYRING
    except UnknownKey as error:
        return _UNREADABLE + str(error)
