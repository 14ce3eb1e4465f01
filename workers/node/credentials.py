"""Who may do what on the embedded broker: the fleet's password and the server's access control list.

Both are files in the broker's folder that only this user can read. The server gets the list by its file's name, and
the list holds a hash: no command line and no log has the password.
"""

import hashlib
import re
import secrets
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import Settings, SettingsError
from wasmfleet.workers.node import private

#: The user of everybody who gives a password and no name.
USER: Final = "default"
#: What a fleet, Flower and clients need of the server. What is dangerous to others or to the data is left out.
RIGHTS: Final = (
    "~* &* +@read +@write +@pubsub +@connection +@transaction -@dangerous -function "
    "+eval +evalsha +script|load +script|exists +time +info +config|get"
)
_GENERATED_BYTES: Final = 32
#: Characters that stand for themselves in a URL.
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{20,200}")


def folder(settings: Settings) -> Path:
    """Where the embedded broker keeps its data, its password and its users."""
    return settings.data_dir / "broker"


def password_file(settings: Settings) -> Path:
    return folder(settings) / "password"


def users_file(settings: Settings) -> Path:
    return folder(settings) / "users.acl"


def password(settings: Settings) -> str:
    """The password of the embedded broker, made at first use and kept. Raises SettingsError, with why it cannot be."""
    private.folder(settings.data_dir)
    path = password_file(settings)
    content = private.secret(path, lambda: secrets.token_urlsafe(_GENERATED_BYTES).encode())
    text = content.decode(errors="replace").strip()
    if not _FORM.fullmatch(text):
        raise SettingsError(
            f"{path} must hold 20 to 200 of the characters A-Z a-z 0-9 _ -; remove it, and one is made"
        )
    return text


def login(settings: Settings) -> str:
    """What stands before the host in the embedded broker's URL; nothing where this user cannot have the password.

    The user's name stands there as well: a server of an older version asks for no password, and takes one only with it.
    """
    try:
        return f"{USER}:{password(settings)}@"
    except private.Unusable:
        # Calls in this process need no broker. Of other calls, the server says that a password is missing.
        return ""


def write_users(settings: Settings) -> Path:
    """Write the line of the fleet's user into the list of users, and leave all other lines as they are."""
    path = users_file(settings)
    own = f"user {USER} on #{hashlib.sha256(password(settings).encode()).hexdigest()} {RIGHTS}"
    before = private.read(path, secret=True).decode().splitlines() if path.exists() else []
    others = [line for line in before if line.split()[:2] != ["user", USER]]
    private.write(path, "".join(f"{line}\n" for line in [own, *others]).encode())
    return path
