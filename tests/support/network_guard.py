"""No test reaches for the network: this process and those that it starts.

Python reports every look-up of a name and every connection to its audit hooks. Those to another
machine are refused, written to a file that all processes of a test share, and fail the test, even
where a library catches the error. Programs that are not Python find a proxy where nobody listens.
"""

import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "no_network"
RECORD = "HANDPOSE_TEST_NETWORK"  # the file's path, in the environment
_NOBODY = "http://127.0.0.1:9"  # the port of the discard protocol
# What libraries send or look for on their own.
_SWITCHES = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "LIGHTLY_DID_VERSION_CHECK": "True",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
} | {f"{kind}_proxy": _NOBODY for kind in ("http", "https", "ftp", "all")}
_EVENTS = {
    "socket.connect": 1,  # place of the address among the event's arguments
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
_HERE = {"", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname()}
_installed: list[bool] = []


class NetworkUsedError(OSError):
    """A test reached for the network; libraries take it as being offline."""


def install() -> None:
    """Guards this process and the ones that it starts; a second call does nothing."""
    if _installed:
        return
    _installed.append(True)
    os.environ.update(_SWITCHES)
    os.environ.update({name.upper(): v for name, v in _SWITCHES.items() if "_proxy" in name})
    if RECORD not in os.environ:
        begin_record()
    os.environ["PYTHONPATH"] = python_path(os.environ.get("PYTHONPATH", ""))
    sys.addaudithook(_watch)


def begin_record() -> None:
    """Gives this process and the ones that it starts a record of their own.

    Processes of pytest-xdist must not find each other's attempts.
    """
    file, name = tempfile.mkstemp(prefix="handpose-network-")
    os.close(file)
    os.environ[RECORD] = name


def python_path(*folders: str | Path) -> str:
    """PYTHONPATH of a process with these folders and the guard."""
    names = [name for folder in folders for name in str(folder).split(os.pathsep) if name]
    return os.pathsep.join(dict.fromkeys([*names, str(FOLDER)]))


def attempts() -> str:
    """What the processes of this session have tried."""
    return Path(os.environ[RECORD]).read_text(encoding="utf-8")


def forget() -> None:
    """Empties the record."""
    Path(os.environ[RECORD]).write_text("", encoding="utf-8")


def tried() -> Iterator[None]:
    """The body of a fixture that fails the test in which something was tried."""
    yield
    if found := attempts():
        forget()
        raise NetworkUsedError(f"the network was used:\n{found}")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if (place := _EVENTS.get(event)) is None:
        return
    address = arguments[place]
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(address, tuple):
            return  # a Unix socket, or one that is connected
        address = address[0]
    if _is_here(address):
        return
    stack = "".join(traceback.format_stack(limit=12)[:-1])
    with Path(os.environ[RECORD]).open("a", encoding="utf-8") as file:
        file.write(f"{event} {address!r} in process {os.getpid()}: {sys.argv}\n{stack}\n")
    raise NetworkUsedError(f"{event} to {address!r}: tests use no network")


def _is_here(host: Any) -> bool:
    """Whether a host, as a name or an address, is this machine."""
    if host is None or isinstance(host, int):  # netlink
        return True
    name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
    if name.lower() in _HERE:
        return True
    try:
        found = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified
