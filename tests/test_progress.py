"""Long work tells how far it is: lines in the log, and bars on a terminal."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from handpose import progress
from handpose.progress import bars, clock, tell, track


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@contextmanager
def on_terminal() -> Iterator[Terminal]:
    """A terminal as stdout, to which the log writes, as Hydra sets it up."""
    with pytest.MonkeyPatch.context() as patch:
        stream = Terminal()
        patch.setattr(sys, "stdout", stream)
        patch.setenv("TERM", "xterm")
        handler = logging.StreamHandler(stream)
        logging.root.addHandler(handler)
        try:
            yield stream
        finally:
            logging.root.removeHandler(handler)


def test_lines_say_how_far_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 10.0, 31.0, 50.0, 62.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with caplog.at_level(logging.INFO):
        assert list(track("abcd", what="rendering hands", total=4)) == list("abcd")
    assert caplog.messages == [
        "rendering hands: 4",
        "rendering hands: 2 of 4, elapsed 0:00:31, ETA 0:00:31",
        "rendering hands: 4 of 4, elapsed 0:01:02, ETA 0:00:00",
    ]


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    with caplog.at_level(logging.INFO), on_terminal() as terminal:
        for _ in track(range(3), what="rendering hands", total=3):
            tell("an epoch is done")
        shown = terminal.getvalue()
        tell("afterwards", is_in_bars=True)
    assert "rendering hands: 3 of 3, " in caplog.text  # in the file
    assert "rendering hands: 3" not in shown
    assert "3 of 3, " in shown
    assert "/s, ETA 0:00:" in shown
    assert shown.count("an epoch is done") == 3
    assert "afterwards" in terminal.getvalue()


def test_only_the_first_process_shows_bars() -> None:
    with on_terminal(), bars() as shown:
        assert shown is not None
    logging.disable(logging.WARNING)  # as the others do
    try:
        with on_terminal(), bars() as shown:
            assert shown is None
    finally:
        logging.disable(logging.NOTSET)


def test_a_file_gets_no_bars(capsys: pytest.CaptureFixture) -> None:
    assert list(track(range(3), what="rendering hands", total=3)) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_clock() -> None:
    assert (clock(None), clock(59.6), clock(3723)) == ("?", "0:01:00", "1:02:03")
