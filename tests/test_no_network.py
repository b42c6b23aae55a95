"""The guard of the tests: what reaches for the network fails, also where the error is caught."""

import contextlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import network_guard
import pytest
from network_guard import NetworkUsedError

SUPPORT = Path(network_guard.__file__).parent
ELSEWHERE = "192.0.2.1"  # reserved for documentation


@pytest.fixture
def caught() -> Iterator[None]:
    """What a test of the guard tries is no mistake."""
    yield
    assert network_guard.attempts(), "the guard has seen nothing"
    network_guard.forget()


@pytest.mark.usefixtures("caught")
def test_names_and_addresses_of_others_are_refused() -> None:
    with pytest.raises(NetworkUsedError, match=r"getaddrinfo to 'example\.com'"):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(NetworkUsedError, match=r"gethostbyname to 'example\.com'"):
        socket.gethostbyname("example.com")
    with socket.socket() as own, pytest.raises(NetworkUsedError, match=ELSEWHERE):
        own.connect((ELSEWHERE, 80))
    with socket.socket() as own, pytest.raises(NetworkUsedError, match=ELSEWHERE):
        own.connect_ex((ELSEWHERE, 80))
    with (
        socket.socket(type=socket.SOCK_DGRAM) as own,
        pytest.raises(NetworkUsedError, match=ELSEWHERE),
    ):
        own.sendto(b"", (ELSEWHERE, 53))


def test_this_machine_is_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()):
            pass
    assert socket.getaddrinfo("localhost", 80)
    one, other = socket.socketpair()
    one.close()
    other.close()
    assert network_guard.attempts() == ""


@pytest.mark.usefixtures("caught")
def test_processes_of_a_test_are_guarded() -> None:
    """Also where the process sets a PYTHONPATH of its own, by `python_path`."""
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    for environment in (os.environ, os.environ | {"PYTHONPATH": network_guard.python_path("/x")}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "NetworkUsedError" in done.stderr
    assert network_guard.attempts().count("'192.0.2.1' in process") == 2


def test_a_test_fails_whose_library_catches_the_error(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import network_guard, pytest\n"
        "network_guard.install()\n"
        "guard = pytest.fixture(autouse=True)(network_guard.tried)\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import socket\n"
        "def test_quiet():\n"
        "    try:\n"
        "        socket.create_connection(('192.0.2.1', 80))\n"
        "    except OSError:\n"
        "        pass\n"
        "def test_after():\n"
        "    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": network_guard.python_path(SUPPORT)}
    environment.pop(network_guard.RECORD)
    done = subprocess.run(
        [*command, "-c", os.devnull, f"--rootdir={tmp_path}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "the network was used" in done.stdout
    assert "test_quiet" in done.stdout


def test_other_programs_find_a_proxy_where_nobody_listens() -> None:
    assert urllib.request.getproxies()["https"].startswith("http://127.0.0.1:")
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://example.com", timeout=5)
    assert network_guard.attempts() == ""  # the proxy was asked, which is here


def test_libraries_are_told_to_stay_silent() -> None:
    for name in ("HF_HUB_OFFLINE", "DO_NOT_TRACK", "NO_ALBUMENTATIONS_UPDATE"):
        assert os.environ[name] == "1"
    assert os.environ["WANDB_MODE"] == "offline"
