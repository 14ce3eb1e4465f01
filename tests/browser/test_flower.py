"""What a person sees in Flower: the workers of the fleet, and tasks without their content."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, TimeoutError, sync_playwright

from tests.acceptance.installation import Installation, installation, until
from tests.needs import need

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    [chromium] = need("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=[*_QUIET, "--disable-sync"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("flower")) as made:
        made.start_fleet("wasm", "python")
        made.start("flower")
        yield made


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet without a plain-Python worker, so that nobody serves that lane's queues."""
    with installation(tmp_path_factory.mktemp("half")) as made:
        made.start_fleet("wasm")
        made.start("flower")
        yield made


def test_flower_shows_both_workers_online(fleet: Installation, browser: Browser) -> None:
    page = browser.new_page()
    address = f"http://127.0.0.1:{fleet.environment['WASMFLEET_FLOWER_PORT']}/"
    until(lambda: _opens(page, address), what="Flower answers", log=fleet.output)

    for worker in fleet.workers():
        until(lambda name=worker.worker: _shows(page, address, name), what=f"{worker.worker} in the table")
    assert page.inner_text("#workers-table").count("Online") == 2


def test_a_call_shown_in_flower_names_no_content(fleet: Installation, browser: Browser) -> None:
    secret = "const password = 'hunter2-never-shown';"
    page = browser.new_page()
    address = f"http://127.0.0.1:{fleet.environment['WASMFLEET_FLOWER_PORT']}/"
    fleet.client().control.enable_events()
    result = _call_through_this_package(fleet, secret)

    def task_page() -> str:
        page.goto(f"{address}task/{result}")
        return page.inner_text("body")

    until(lambda: "wasmfleet.ast.validate" in task_page(), what="the task's page")
    assert "<str of " in task_page()
    assert "hunter2" not in task_page()


def test_a_batch_names_its_operation_and_counts_what_failed(fleet: Installation, browser: Browser) -> None:
    page = browser.new_page()
    address = f"http://127.0.0.1:{fleet.environment['WASMFLEET_FLOWER_PORT']}/"
    fleet.client().control.enable_events()
    calls = [{"data": b"never-shown"}, {"data": b"a", "algorithm": "no such"}, {"data": b"b"}]
    sent = fleet.call("batch", operation="wasmfleet.digest.digest", calls=calls)
    sent.get(timeout=30)

    def task_page() -> str:
        page.goto(f"{address}task/{sent.id}")
        return page.inner_text("body")

    until(lambda: "1 of 3 calls failed" in task_page(), what="what failed, on the task's page")
    assert "wasmfleet.batch of wasmfleet.digest.digest" in task_page()
    assert "never-shown" not in task_page()
    assert _shows(page, f"{address}tasks", "wasmfleet.batch of wasmfleet.digest.digest")


def test_flower_shows_every_queue_also_those_that_nobody_serves(half: Installation, browser: Browser) -> None:
    page = browser.new_page()
    address = f"http://127.0.0.1:{half.environment['WASMFLEET_FLOWER_PORT']}/"
    [worker] = half.workers()
    until(lambda: _opens(page, address), what="Flower answers", log=half.output)
    until(lambda: _shows(page, address, worker.worker), what="Flower knows the worker")
    until(
        lambda: "wasmfleet.wasm" in _queues(page, f"{address}worker/{worker.worker}"), what="and its queues"
    )

    shown = _queues(page, f"{address}broker")

    for lane in ("any", "wasm", "python"):
        assert f"wasmfleet.{lane}" in shown
        assert f"wasmfleet.{lane}.batch" in shown


def test_a_name_that_somebody_let_point_here_shows_nothing_of_the_fleet(
    fleet: Installation, browser: Browser
) -> None:
    page = browser.new_page()
    port = fleet.environment["WASMFLEET_FLOWER_PORT"]
    until(lambda: _opens(page, f"http://127.0.0.1:{port}/"), what="Flower answers", log=fleet.output)

    answer = page.goto(f"http://rebound.example:{port}/")

    assert answer is not None
    assert answer.status == 403
    assert page.inner_text("body").startswith("this Flower is not known as rebound.example")


def _shows(page: Page, address: str, text: str) -> bool:
    page.goto(address)
    with contextlib.suppress(TimeoutError):
        page.get_by_text(text).first.wait_for(timeout=2000)
        return True
    return False


def _queues(page: Page, address: str) -> str:
    page.goto(address)
    return page.text_content("body") or ""


def _opens(page: Page, address: str) -> bool:
    try:
        page.goto(address)
    except Error:
        return False
    return True


def _call_through_this_package(fleet: Installation, source: str) -> str:
    import subprocess
    import sys

    script = (
        "import sys; from wasmfleet.tasks import ast\n"
        "result = ast.validate.delay(sys.argv[1]); result.get(timeout=30); print(result.id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, source],
        env=fleet.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
