"""RabbitMQ's consumer_timeout: how long RabbitMQ lets a consumer hold a message, and how long our workers need.

Source: https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
"""

import re
import shutil
import subprocess
from typing import Final
from urllib.parse import urlsplit

from wasmfleet.config.celery import PREFETCH_MULTIPLIER, batch_time_limit
from wasmfleet.config.settings import Settings

DEFAULT_S: Final = 1800.0
_EVAL: Final = "application:get_env(rabbit, consumer_timeout)."
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_ANSWER_S: Final = 10.0


def needed_s(settings: Settings) -> float:
    """Compute the longest time in seconds from the delivery of a message to its end.

    It comes about where every message is a batch that uses all its time: each child runs one while
    `PREFETCH_MULTIPLIER` more wait for it.
    """
    return (PREFETCH_MULTIPLIER + 1) * batch_time_limit(settings)


def read_s(settings: Settings) -> float | None:
    """Ask RabbitMQ for its consumer_timeout in seconds, through `rabbitmqctl`, because AMQP does not tell it.

    None where RabbitMQ runs on another machine, or this user may not ask.
    """
    rabbitmqctl = shutil.which("rabbitmqctl")
    if not rabbitmqctl or urlsplit(settings.broker_url).hostname not in _HERE:
        return None
    try:
        said = subprocess.run(
            [rabbitmqctl, "--quiet", "eval", _EVAL], capture_output=True, text=True, timeout=_ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\{ok,(\d+)\}", said.stdout)
    return int(found[1]) / 1000 if found else None
