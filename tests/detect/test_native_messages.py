"""Only known lines of native libraries are dropped, whoever writes them."""

import os
import threading

import pytest

from handpose.detect.native_messages import harmless_lines_dropped


def test_known_lines_are_dropped_and_others_come_in_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    os.write(2, b"INFO: before\n")
    with harmless_lines_dropped():
        os.write(2, b"INFO: [environment.cc:36] Creating LiteRT environment with options\n")
        os.write(2, b"E0000 00:00:1 graph.cc:1] broken\nW0000 00:00:1 other.cc:1] new\n")
        thread = threading.Thread(target=os.write, args=(2, b"from a thread"))
        thread.start()
        thread.join()
    os.write(2, b"\nafter\n")
    assert capfd.readouterr().err.splitlines() == [
        "INFO: before",
        "E0000 00:00:1 graph.cc:1] broken",
        "W0000 00:00:1 other.cc:1] new",
        "from a thread",
        "after",
    ]


def test_nothing_is_lost_when_the_block_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with harmless_lines_dropped(), harmless_lines_dropped():
            os.write(2, b"INFO: x\nFATAL: why\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capfd.readouterr().err == "FATAL: why\n"
