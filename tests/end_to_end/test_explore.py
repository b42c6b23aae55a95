"""scripts/explore.py: served, attacked over HTTP, and driven in headless Chromium."""

import http.client
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from network_guard import python_path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "explore.py"
FEW = [f"dataset.num_{split}=32" for split in ("train", "val", "test")]
SECRET = "the-secret-of-another-folder"

pytestmark = pytest.mark.slow
needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None,
    reason='no Gradio here (pip install -e ".[explore]")',
)


def start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT), "NO_ALBUMENTATIONS_UPDATE": "1"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folders(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a sweep of two runs, and beside it one with a secret."""
    runs = tmp_path_factory.mktemp("explored") / "runs"
    tiny = ["trainer=debug", "dataset.image_size=32", "report=false", "objective=none"]
    for fraction in ("0.5", "1.0"):
        command = [
            *(sys.executable, str(ROOT / "train.py"), *tiny, f"paths.cache={cache}"),
            f"finetune.label_fraction={fraction}",
            f"hydra.run.dir={runs / 'tiny' / fraction}",
        ]
        environment = {**os.environ, "PYTHONPATH": python_path(ROOT)}
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
    outside = runs.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (runs / "link.txt").symlink_to(outside / "secret.txt")
    return runs, outside


@pytest.fixture(scope="module")
def address(folders: tuple[Path, Path], cache: Path) -> Iterator[str]:
    """Of the running page."""
    options = [*FEW, "augment=full", f"paths.cache={cache}", "--runs", str(folders[0])]
    server = start(*options, "--port", "0")
    try:
        assert server.stdout is not None
        lines = []
        for line in server.stdout:
            lines.append(line)
            if found := re.match(r"(http://\S+) ", line):
                break
        else:
            pytest.fail("the page did not start:\n" + "".join(lines))
        wait_until_it_answers(found[1])
        yield found[1]
    finally:
        server.terminate()
        server.wait(60)


def wait_until_it_answers(address: str) -> None:
    """It listens already: a request waits in the queue until the page is ready."""
    assert ask(address, "/")[0] == 200


def ask(address: str, path: str, *, method: str = "GET", host: str | None = None) -> tuple:
    """(status, body): the path is sent as it is, not tidied up as a browser would."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=600)
    connection.putrequest(method, path, skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body.decode(errors="replace"), answer


ROUTES = (
    "/gradio_api/file=",
    "/file=",
    "/gradio_api/file/",
    "/static/",
    "/assets/",
    "/svelte/",
    "/",
)


@needs_gradio
@pytest.mark.parametrize("route", ROUTES)
def test_no_file_outside_is_served(address: str, folders: tuple[Path, Path], route: str) -> None:
    runs, outside = folders
    secret = outside / "secret.txt"
    tricks = [
        str(secret),
        str(secret).lstrip("/"),
        str(runs / "link.txt"),
        f"{runs}/../outside/secret.txt",
        "../" * 12 + str(secret).lstrip("/"),
        "..%2f" * 12 + str(secret).lstrip("/").replace("/", "%2f"),
        "%2e%2e/" * 12 + str(secret).lstrip("/"),
        "..%5c" * 12 + str(secret).lstrip("/"),
        "%252e%252e%252f" * 12 + str(secret).lstrip("/"),
        str(runs / "tiny" / "1.0" / "config.json"),
        "/etc/passwd",
        f"file://{secret}",
    ]
    for trick in tricks:
        status, body, _ = ask(address, route + trick)
        assert status in (400, 403, 404), (route, trick)
        assert SECRET not in body
        assert "root:" not in body


@needs_gradio
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
        ("GET", "/gradio_api/file=https://example.org/"),
        ("POST", "/gradio_api/run/show"),
        ("GET", "/monitoring"),
    ],
)
def test_routes_that_the_page_does_not_need_are_refused(
    address: str, method: str, path: str
) -> None:
    assert ask(address, path, method=method)[0] == 403


@needs_gradio
def test_only_this_machine_is_served(address: str) -> None:
    place = urlsplit(address)
    assert place.hostname == "127.0.0.1"
    others = {
        found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    } - {"127.0.0.1"}
    for other in others:
        with pytest.raises(OSError):  # noqa: PT011  # refused, or unreachable
            socket.create_connection((other, place.port), timeout=5).close()
    assert ask(address, "/", host="evil.example")[0] == 400, "a name that was made to point here"
    policy = ask(address, "/")[2].headers["content-security-policy"]
    assert "default-src 'self'" in policy


@needs_gradio
def test_a_wrong_folder_or_port_is_told(tmp_path: Path, cache: Path) -> None:
    server = start(*FEW, f"paths.cache={cache}", "--runs", str(tmp_path / "nowhere"), "--port", "0")
    said, _ = server.communicate(timeout=900)
    assert server.returncode == 1
    assert "nowhere: no such folder" in said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    """The page in headless Chromium; at the end nothing may have gone wrong in the browser."""
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    wrong: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(300_000)
        opened.on("console", lambda m: m.type == "error" and wrong.append(m.text))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        inside = (address, "data:", "blob:")
        opened.on("request", lambda r: r.url.startswith(inside) or wrong.append(r.url))
        opened.goto(address, wait_until="domcontentloaded")
        opened.wait_for_selector("#pair img")
        after_sliding(opened, "probability", 1)  # what is switched on is drawn
        yield opened
        browser.close()
    assert wrong == [], "errors in the console, or requests to other places"


def pictures(page: Any) -> list[str]:
    return page.eval_on_selector_all("#pair img", "all => all.map(one => one.src)")


def after(page: Any, act: Callable[[], object], again: Callable[[], object] | None = None) -> None:
    """Waits until `act`, or `again` every five seconds, has changed one of the pictures."""
    before = pictures(page)
    act()
    for tries in range(1, 1500):
        now = pictures(page)
        if len(now) == 3 and now != before:
            return
        if again is not None and tries % 25 == 0:
            again()
        page.wait_for_timeout(200)
    pytest.fail("no picture has changed within 5 minutes")


def after_sliding(page: Any, identity: str, value: float) -> None:
    """Waits until the pictures show a slider's value.

    A range that was just opened may take its old value again after the new one was typed.
    """

    def again() -> None:
        slide(page, identity, 0.9 * value)
        slide(page, identity, value)

    after(page, lambda: slide(page, identity, value), again)


def number(page: Any, name: str) -> float:
    return float(page.inner_text(f"#pair [data-name={name}]"))


def slide(page: Any, identity: str, value: float) -> None:
    """Types a value into the number beside a slider."""
    field = page.locator(f"#{identity} input[type=number]")
    field.fill(str(value))
    field.press("Enter")


SLID = {
    "rotate": ("angle-1", 170),
    "crop": ("shift-1", 0.5),
    "random_crop": ("margin_range-1", 3),
    "colour_jitter": ("hue-1", 90),
    "gaussian_blur": ("blur_sigma-1", 10),
    "gaussian_noise": ("noise_std", 90),
    "cut_out": ("cut_out_side-1", 0.8),
}
TRACKED = {"rotate", "crop", "random_crop"}


def switch_on_only(page: Any, wanted: set[str]) -> None:
    """Whatever the test before has left on."""
    for name in (*SLID, "colour_drop", "sobel"):
        box = page.locator(f"#{name} input")
        if box.is_checked() != (name in wanted):
            after(page, box.click)


@needs_gradio
def test_each_control_changes_the_picture(page: Any) -> None:
    switch_on_only(page, {*SLID, "colour_drop"})
    for switch, (slider, value) in SLID.items():
        page.locator(f"#range-{switch} button").first.click()
        after_sliding(page, slider, value)
        after(page, page.locator(f"#{switch} input").click)
    for switch in ("colour_drop", "sobel"):
        after(page, page.locator(f"#{switch} input").click)
    after(page, page.locator("#sobel input").click)
    after(page, page.get_by_label("joints").click)


@needs_gradio
def test_view_1_moved_agrees_with_view_2_on_the_page(page: Any) -> None:
    switch_on_only(page, TRACKED)
    assert number(page, "joints") < 0.01
    assert number(page, "picture") < 0.5 * number(page, "unmoved")


def drag_the_skeleton(page: Any) -> None:
    """The sliders follow the mouse, and the skeleton follows them."""
    image = page.locator("#overlay img[alt=skeleton]")
    image.scroll_into_view_if_needed()
    before, box = image.get_attribute("src"), image.bounding_box()
    turn, tilt = (page.locator(f"#{name} input[type=number]") for name in ("turn", "tilt"))
    started = float(turn.input_value()), float(tilt.input_value())
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 80, steps=4)
    page.mouse.up()
    assert float(turn.input_value()) == started[0] - 20
    assert float(tilt.input_value()) == started[1] - 10
    page.wait_for_function(
        "before => document.querySelector('#overlay img[alt=skeleton]')?.src !== before", arg=before
    )


@needs_gradio
def test_runs_are_opened_compared_and_evaluated(page: Any) -> None:
    page.get_by_role("tab", name="Results").click()
    page.wait_for_selector("#compared td")  # the newest run is chosen
    assert page.locator("#compared thead th").all_inner_texts() == ["metric", "A"]
    page.wait_for_selector("#training img[alt='finetune curves']")
    page.locator("#runs input").click()
    page.get_by_role("option", name="sweep: tiny").click()
    page.wait_for_function("document.querySelectorAll('#compared thead th').length === 3")
    page.keyboard.press("Escape")
    page.wait_for_selector("#fractions img")
    assert page.locator("#compared thead th").all_inner_texts() == ["metric", "A", "B"]
    assert "pa_epe_mm" in page.inner_text("#compared")
    page.locator("#evaluate").click()
    page.wait_for_selector("#overlay img[alt=skeleton]")
    assert page.locator("#curves img").count() == 2
    for identity, value, picture in (("turn", 90, "skeleton"), ("tilt", 45, "skeleton"),
                                     ("rank", 5, "overlay")):  # fmt: skip
        place = f"#overlay img[alt={picture}]"
        before = page.get_attribute(place, "src")
        slide(page, identity, value)
        page.wait_for_function(
            "([place, before]) => document.querySelector(place)?.src !== before",
            arg=[place, before],
        )
    drag_the_skeleton(page)
    page.locator("#words input, #words textarea").fill("nothing like it")
    page.locator("#runs input").click()
    page.wait_for_function(  # what is chosen, of three
        "document.querySelectorAll('#runs [role=option]').length === 2"
    )
    page.keyboard.press("Escape")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
