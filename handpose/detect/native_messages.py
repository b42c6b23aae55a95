"""Drops messages that native libraries write to file descriptor 2, past Python's `sys.stderr`.

Messages that are not listed here are shown, after the block. Each entry has a reason.
"""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Regular expressions for the start of a line.
_LINES = (
    # LiteRT logs how it sets itself up and down. Nothing can be set to stop it.
    rb"INFO: ",
    # The TFLite files of MediaPipe are not aligned inside; LiteRT copies their buffers once.
    rb"WARNING: Read-only tensor .* has an unaligned buffer",
    # Abseil, about its own lines.
    rb"WARNING: (Logging|All log messages) before .* (is|are) written to STDERR",
    # Information, and two warnings of MediaPipe about its own graph.
    rb"I\d{4} ",
    rb"W\d{4} .*(inference_runner_litert|landmark_projection_calculator|inference_feedback)",
)
_HARMLESS = re.compile(b"|".join(_LINES))
_STDERR = 2
_one_at_a_time = threading.RLock()


@contextmanager
def harmless_lines_dropped() -> Iterator[None]:
    """Hold back what any thread writes to descriptor 2; then write it without harmless lines.

    No-op if the process has no such descriptor.
    """
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        try:
            original = os.dup(_STDERR)
        except OSError:
            yield
            return
        _flush()
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            _flush()
            os.dup2(original, _STDERR)
            os.close(original)
            held.seek(0)
            _write_on(held.read())


def _flush() -> None:
    with suppress(AttributeError, OSError, ValueError):  # no sys.stderr, or a closed one
        sys.stderr.flush()


def _write_on(content: bytes) -> None:
    """Write the lines of `content` that are not harmless."""
    rest = b"".join(line for line in content.splitlines(True) if not _HARMLESS.match(line))
    with suppress(OSError):
        while rest:
            rest = rest[os.write(_STDERR, rest) :]
