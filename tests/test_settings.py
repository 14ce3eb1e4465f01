"""Settings: what is allowed, and what a wrong value says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wasmfleet.config.settings import Settings, SettingsError, load


def test_no_variable_gives_the_defaults() -> None:
    assert load({"HOME": "/nowhere", "PATH": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LANE", "fast", "one of any, wasm, python"),
        ("BROKER_URL", "kafka://x", "redis://host:port/db"),
        ("TIME_LIMIT", "soon", "a number"),
        ("TIME_LIMIT", "0", "from 0.05 to 3600"),
        ("TIME_LIMIT", "nan", "from 0.05 to 3600"),
        ("MEMORY_LIMIT", "8", "from 16 to 4096"),
        ("CONCURRENCY", "2.5", "a whole number"),
        ("KEYRING", "/no/such/file", "an existing file"),
        ("MODULES", "/no/such/folder", "existing .wasm files"),
        ("SERVE_DEFAULT_QUEUE", "perhaps", "true or false"),
        ("FLOWER_ADDRESS", "0.0.0.0", "WASMFLEET_FLOWER_AUTH"),
        ("LOG_LEVEL", "loud", "one of debug"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({f"WASMFLEET_{name}": value})

    assert f"WASMFLEET_{name}='{value}'" in str(raised.value)
    assert allowed in str(raised.value)


def test_a_key_to_seal_with_needs_a_keyring() -> None:
    with pytest.raises(SettingsError, match="WASMFLEET_SEAL_KEY names a key; give WASMFLEET_KEYRING"):
        load({"WASMFLEET_SEAL_KEY": "seal"})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("LANES", "LANE"),
        ("SEALKEY", "SEAL_KEY"),
        ("KEY_RING", "KEYRING"),
        ("TIMELIMIT", "TIME_LIMIT"),
        ("BROKER_HOST", "BROKER_PORT"),
        ("FLOWER_AUTHS", "FLOWER_AUTH"),
        ("MODULE", "MODULES"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_is_meant(misspelt: str, meant: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({f"WASMFLEET_{misspelt}": "1"})

    told = str(raised.value)
    assert told.startswith(f"WASMFLEET_{misspelt} is not a setting; known are WASMFLEET_BROKER_URL, ")
    assert told.endswith(f"; did you mean WASMFLEET_{meant}?")


def of_services(*names: str) -> dict[str, str]:
    """The variables that Kubernetes 1.34 sets for services of these names, with a named and a second port."""
    found = {}
    for name in names:
        stem = name.upper().replace("-", "_")
        found |= {f"{stem}_SERVICE_HOST": "10.96.0.1", f"{stem}_SERVICE_PORT": "6379"}
        found |= {f"{stem}_SERVICE_PORT_REDIS": "6379", f"{stem}_PORT": "tcp://10.96.0.1:6379"}
        for port, kind in (("6379", "TCP"), ("53", "UDP"), ("7379", "SCTP")):
            link = f"{stem}_PORT_{port}_{kind}"
            found |= {link: f"{kind.lower()}://10.96.0.1:{port}", f"{link}_PROTO": kind.lower()}
            found |= {f"{link}_PORT": port, f"{link}_ADDR": "10.96.0.1"}
    return found


SERVICES = of_services("wasmfleet", "wasmfleet-broker", "wasmfleet-flower", "wasmfleet-max-input")


def test_variables_of_services_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    assert load(SERVICES) == Settings()

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    for name, message in zip(("BROKER", "FLOWER"), told, strict=True):
        assert f"WASMFLEET_{name}_PORT=tcp://10.96.0.1:6379 is ignored" in message
        assert "enableServiceLinks: false" in message


def test_variables_of_docker_links_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    links = {"WASMFLEET_NAME": "/web/wasmfleet", "WASMFLEET_BROKER_ENV_VALKEY_VERSION": "9.0"}

    assert load(links) == Settings()
    assert not caplog.records


@pytest.mark.parametrize("name", ["IMAGE", "NAMESPACE", "REPLICAS", "HELM_RELEASE", "PORT"])
def test_any_other_variable_is_ignored_with_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert load({f"WASMFLEET_{name}": "1"}) == Settings()

    [record] = caplog.records
    assert record.getMessage() == f"WASMFLEET_{name} is ignored: it is not a setting of Wasmfleet"


@pytest.mark.parametrize("value", ["tcp:6379", "6379/tcp", "tcp://10.96.0.1", "http://10.96.0.1:6379"])
@pytest.mark.parametrize("name", ["BROKER_PORT", "FLOWER_PORT"])
def test_what_is_no_port_and_no_address_of_a_service_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"WASMFLEET_{name}=.* is not allowed; give a whole number"):
        load({f"WASMFLEET_{name}": value})


def test_an_operation_is_imported_and_doctor_lists_what_is_ignored(tmp_path: Path) -> None:
    environment = (
        os.environ | SERVICES | {"WASMFLEET_IMAGE": "x", "WASMFLEET_DATA_DIR": str(tmp_path / "data")}
    )
    call = "from wasmfleet.tasks import digest; print(digest.digest.python(b'abc', algorithm='crc32'))"
    one, doctor = (
        subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=120)
        for words in (["-c", call], ["-m", "wasmfleet", "doctor", "--format", "json"])
    )

    assert (one.returncode, one.stdout) == (0, "352441c2\n")
    [told] = [found for found in json.loads(doctor.stdout) if found["what"] == "other variables"]
    assert told["state"] == "warning"
    assert all(name in told["finding"] for name in [*SERVICES, "WASMFLEET_IMAGE"])


@pytest.mark.parametrize("name", ["BROKER_URL", "RESULT_URL", "STATE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@host",
        "http://user:p@hunter2@host",
        "user:hunter2@host",
        "redis:/user:hunter2@host",
        "http://host?password=hunter2",
    ],
)
def test_a_password_in_a_wrong_url_is_not_shown(name: str, url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({f"WASMFLEET_{name}": url})

    assert "hunter2" not in str(raised.value)


def test_values_are_parsed(tmp_path: Path) -> None:
    settings = load(
        {"WASMFLEET_TIME_LIMIT": "2.5", "WASMFLEET_MODULES": str(tmp_path), "WASMFLEET_LANE": "wasm"}
    )

    assert (settings.time_limit, settings.modules, settings.lane) == (2.5, (tmp_path,), "wasm")


def test_rabbitmq_needs_a_place_for_what_is_shared_otherwise() -> None:
    with pytest.raises(SettingsError, match="WASMFLEET_STATE_URL"):
        load({"WASMFLEET_BROKER_URL": "amqp://host//"})

    assert load({"WASMFLEET_BROKER_URL": "amqp://host//", "WASMFLEET_STATE_URL": "redis://host:1/0"}).amqp


def test_the_own_transport_is_a_scheme() -> None:
    assert (
        load({"WASMFLEET_BROKER_URL": "wasmfleet+rediss://host:1/0"}).broker_url
        == "wasmfleet+rediss://host:1/0"
    )
    with pytest.raises(SettingsError, match="redis://host:port/db"):
        load({"WASMFLEET_BROKER_URL": "wasmfleet+http://host"})
