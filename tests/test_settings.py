"""Settings: what is allowed, and what a wrong value says."""

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


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(
        SettingsError, match="WASMFLEET_LANES is not a setting; known are WASMFLEET_BROKER_URL"
    ):
        load({"WASMFLEET_LANES": "any"})


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
