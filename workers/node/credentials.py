"""Credentials of the embedded broker: the fleet's password, and the server's list of users and their rights.

Both are files in the broker's folder that only this user can read. The server gets the list by its file's name, and
the list holds a hash of the password. So no command line and no log contains the password.
"""

import hashlib
import re
import secrets
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import Settings, SettingsError
from wasmfleet.workers.node import private_files

#: The server's user for clients that give a password without a name.
USER: Final = "default"
#: The rights that a fleet, Flower and clients need, without commands that endanger the data or other users.
RIGHTS: Final = (
    "~* &* +@read +@write +@pubsub +@connection +@transaction -@dangerous -function "
    "+eval +evalsha +script|load +script|exists +time +info +config|get"
)
_GENERATED_BYTES: Final = 32
#: Only characters that a URL takes unescaped.
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{20,200}")


def folder(settings: Settings) -> Path:
    """Return the folder in which the embedded broker keeps its data, its password and its users."""
    return settings.data_dir / "broker"


def password_file(settings: Settings) -> Path:
    return folder(settings) / "password"


def users_file(settings: Settings) -> Path:
    return folder(settings) / "users.acl"


def password(settings: Settings) -> str:
    """Return the password of the embedded broker, which is made at its first use. Raises SettingsError.

    It is an Unusable where this user cannot read or make it, and a NotPrivate where other users can read it.
    """
    private_files.folder(settings.data_dir)
    path = password_file(settings)
    content = private_files.secret(path, lambda: secrets.token_urlsafe(_GENERATED_BYTES).encode())
    text = content.decode(errors="replace").strip()
    if not _FORM.fullmatch(text):
        raise SettingsError(
            f"{path} must hold 20 to 200 of the characters A-Z a-z 0-9 _ -; remove it, and a new password is made"
        )
    return text


def login(settings: Settings) -> str:
    """Return `user:password@` for the embedded broker's URL, or "" where this user cannot read the password.

    The user's name is included because servers of older versions, which ask for no password, accept one only with it.
    """
    try:
        return f"{USER}:{password(settings)}@"
    except private_files.Unusable:
        # Calls in this process need no broker. For other calls, the server will say that a password is missing.
        return ""


def write_users(settings: Settings) -> Path:
    """Write the line of the fleet's user into the list of users, keep all other lines, and return the file's path."""
    path = users_file(settings)
    own = f"user {USER} on #{hashlib.sha256(password(settings).encode()).hexdigest()} {RIGHTS}"
    before = private_files.read(path, secret=True).decode().splitlines() if path.exists() else []
    others = [line for line in before if line.split()[:2] != ["user", USER]]
    private_files.write(path, "".join(f"{line}\n" for line in [own, *others]).encode())
    return path
