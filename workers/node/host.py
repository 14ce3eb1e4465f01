"""This machine's name, as text that Celery, Redis and logs can carry.

A host name may be any bytes. Celery (5.7, celery/utils/nodenames.py) expands `%h` and the like in it as soon as its
command line is imported, and what is no UTF-8 cannot be written to Redis.
"""

import re
import runpy
import socket
import sys
from typing import Final

_ODD: Final = re.compile(r"[^\w.-]")
_given: Final = socket.gethostname


def name() -> str:
    """Return this machine's name; an underscore stands for each character that is no letter, digit, dot or dash."""
    return _ODD.sub("_", _given()) or "localhost"


def main() -> None:
    """Run a module as a program, as `python -m` does, in which this machine has that name."""
    socket.gethostname = name  # before Celery is imported, which asks once and keeps the answer
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
