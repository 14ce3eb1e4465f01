"""Files and folders that another user could change or read are refused, with the command that mends them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import copy_compiled_modules, share_compiled_modules
from wasmfleet.config.settings import Settings
from wasmfleet.workers.errors import UnknownKey
from wasmfleet.workers.node import credentials, data_folder, digests, private_files
from wasmfleet.workers.records import outcomes
from wasmfleet.workers.runtime import modules
from wasmfleet.workers.runtime.cache import Artefact, Cache
from wasmfleet.workers.runtime.engine import Engine
from wasmfleet.workers.secrecy import keyring

_SOMEBODY = 65534
_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
_SECRETS = ["compiled/key", "broker/password", "broker/users.acl", "digest.key"]
_FOLDERS = [".", "compiled", "broker"]
_FILES = ["results.sqlite", "results.sqlite-wal", *_SECRETS]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A data folder with everything that a node keeps there."""
    made = Settings(data_dir=tmp_path / "data folder")
    digests.under(digests.key_file(made), b"")
    credentials.write_users(made)
    outcomes.open_log(made).close()
    (made.data_dir / "results.sqlite-wal").touch(0o600)
    with Cache(made.data_dir / "compiled").compiling():
        private_files.secret(made.data_dir / "compiled" / "key", lambda: bytes(32))
    assert list(data_folder.troubles(made)) == []
    return made


def assert_refused_and_mended(own: Settings, finding: str) -> None:
    """Assert that exactly one trouble is found, and none after running the command that it names."""
    [trouble] = data_folder.troubles(own)
    assert finding in str(trouble)
    with pytest.raises(private_files.NotPrivate):
        data_folder.refuse_shared(own)
    [command] = re.findall(r"run `([^`]+)`", trouble.mend)
    subprocess.run(command, shell=True, check=True)
    assert list(data_folder.troubles(own)) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("name", _FOLDERS)
def test_a_folder_that_others_can_write_to(own: Settings, name: str, mode: int) -> None:
    (own.data_dir / name).chmod(mode)

    assert_refused_and_mended(own, f"others can write to {own.data_dir / name} (mode {mode:04o})")


@pytest.mark.parametrize("name", _FILES)
def test_a_file_that_others_can_write_to(own: Settings, name: str) -> None:
    (own.data_dir / name).chmod(0o620)

    assert_refused_and_mended(own, f"{own.data_dir / name}")


@pytest.mark.parametrize("mode", [0o640, 0o604])
@pytest.mark.parametrize("name", _SECRETS)
def test_a_secret_that_others_can_read(own: Settings, name: str, mode: int) -> None:
    (own.data_dir / name).chmod(mode)

    assert_refused_and_mended(own, f"{own.data_dir / name} is a secret that others can read")


@_as_root
@pytest.mark.parametrize("name", [*_FOLDERS, *_FILES])
def test_what_belongs_to_another_user(own: Settings, name: str) -> None:
    os.chown(own.data_dir / name, _SOMEBODY, -1)

    assert_refused_and_mended(own, f"{own.data_dir / name} belongs to the user nobody")


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_above_in_which_everybody_can_write(tmp_path: Path, link: bool) -> None:
    (tmp_path / "open").mkdir()
    data = tmp_path / "open" / "data"
    (tmp_path / "elsewhere").mkdir(0o700)
    if link:
        data.symlink_to(tmp_path / "elsewhere")
    private_files.folder(data)
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(private_files.NotPrivate, match=f"everybody can write in {tmp_path}/open"):
        private_files.folder(data)

    (tmp_path / "open").chmod(0o1777)  # as /tmp is
    private_files.folder(data)


def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        own = Settings(data_dir=tmp_path / "above" / "data")
        credentials.write_users(own)
        outcomes.open_log(own).close()
        digests.under(digests.key_file(own), b"")
    finally:
        os.umask(before)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "above").rglob("*")}
    folders = {"data": 0o700, "broker": 0o700}
    assert modes == folders | dict.fromkeys(["password", "users.acl", "results.sqlite", "digest.key"], 0o600)


def test_a_log_of_an_older_version_that_others_can_read_is_still_used(own: Settings) -> None:
    data_folder.result_log(own).chmod(0o644)

    assert list(data_folder.troubles(own)) == []


def test_a_module_is_not_loaded_from_a_cache_that_others_can_write_to(tmp_path: Path) -> None:
    cached = Settings(data_dir=tmp_path / "data")
    share_compiled_modules(cached.data_dir)
    assert modules.states(cached)["digest"] == ("ready", "")

    cached.data_dir.chmod(0o777)

    state, reason = modules.states(cached)["digest"]
    assert (state, f"others can write to {cached.data_dir}" in reason) == ("failed", True)


def test_what_is_loaded_is_what_was_verified_whatever_its_name_leads_to_by_then(tmp_path: Path) -> None:
    cached = Settings(data_dir=tmp_path / "data")
    share_compiled_modules(cached.data_dir)
    binary = modules.read("digest", modules.files(cached)["digest"])
    cache = Cache(_copied(cached.data_dir))
    with cache.artefact(binary.sha256) as artefact:
        for path in (cached.data_dir / "compiled").glob("*.cwasm"):
            path.unlink()
            path.write_bytes(b"not what was verified")

        loaded = artefact.deserialize(Engine(1 << 20).wasmtime)

    assert {"memory", "call"} <= {export.name for export in loaded.exports}


def test_without_proc_the_bytes_that_were_verified_are_loaded(tmp_path: Path) -> None:
    cached = Settings(data_dir=tmp_path / "data")
    share_compiled_modules(cached.data_dir)
    binary = modules.read("digest", modules.files(cached)["digest"])
    with Cache(cached.data_dir / "compiled").artefact(binary.sha256) as artefact:
        elsewhere = Artefact(10**6, artefact.code)

    loaded = elsewhere.deserialize(Engine(1 << 20).wasmtime)

    assert {"memory", "call"} <= {export.name for export in loaded.exports}


def _copied(data: Path) -> Path:
    """Replace the shared compiled modules by a copy that only this test uses, and return its folder."""
    (data / "compiled").unlink()
    copy_compiled_modules(data / "compiled")
    return data / "compiled"


@_as_root
def test_a_keyring_of_another_user_is_not_used_even_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, link = tmp_path / "real.json", tmp_path / "keys.json"
    private_files.write(real, b"{}")
    link.symlink_to(real)
    monkeypatch.setattr(keyring, "settings", lambda: Settings(keyring=link))
    with pytest.raises(UnknownKey, match="has no key 'mine'"):
        keyring.key({"key_id": "mine"})

    os.chown(real, _SOMEBODY, -1)

    with pytest.raises(UnknownKey, match=r"others can read or change the keyring keys\.json of this process"):
        keyring.key({"key_id": "mine"})


def test_what_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from wasmfleet.workers.node import private_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "private_files.write(Path(sys.argv[1]), bytes(5000))"
    )

    done = subprocess.run([sys.executable, "-c", code, tmp_path / "file"], capture_output=True, text=True)

    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
