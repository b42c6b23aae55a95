"""Runs that start with the imports done: forks of one process that has imported torch.

The imports take about 4 s of a core in each new interpreter. The process that forks starts no
thread and does not touch a GPU, so its forks are as good as new.

The study sends (arguments, output file) and receives (process number, None) for the start of a run
and (process number, exit code) for its end.
"""

import gc
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from handpose.distributed.processes import end_with_parent
from handpose.invocation import typed
from handpose.provenance import own_revision

_PRELOADED = ("handpose.pipeline.run", "timm", "handpose.pipeline.command")
_POLL = 0.05  # seconds
_GONE = "the process that starts the runs has ended. Run the same command to resume"


class ForkServer:
    """The process that forks, from the study's side. It ends with the study.

    Args:
        environment: of the runs, beside this process's own.
        modules: imported before the first run; the last one has `main`, which each run calls.
    """

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str] = _PRELOADED) -> None:
        self._link, theirs = Pipe()
        self._codes: dict[int, int] = {}
        path = os.pathsep.join(entry for entry in sys.path if entry)
        serve = f"from {__name__} import serve; serve({theirs.fileno()}, {list(modules)!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", serve],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the study alone
            preexec_fn=end_with_parent,
        )
        theirs.close()

    def start(self, arguments: Sequence[str], output: Path) -> "ForkedRun":
        """Starts a run; the first one waits for the imports.

        Args:
            arguments: of train.py.
            output: file that its output is appended to.
        """
        self._send((_program(), list(arguments), str(output.absolute())))
        while (pid := self._receive()) is None:
            pass
        return ForkedRun(self, pid)

    def code(self, pid: int) -> int | None:
        """Returns the exit code of a run, -n after signal n; None while it lives.

        Args:
            pid: of the run.
        """
        while self._link.poll():
            self._receive()
        return self._codes.get(pid)

    def close(self) -> None:
        """Ends the process, and with it all its runs."""
        self._link.close()
        self._process.kill()
        self._process.wait()

    def _send(self, request: object) -> None:
        try:
            self._link.send(request)
        except OSError:
            raise ValueError(_GONE) from None

    def _receive(self) -> int | None:
        """Takes one message; returns the number of a process that has started."""
        try:
            pid, code = self._link.recv()
        except (EOFError, OSError):
            raise ValueError(_GONE) from None
        if code is None:
            self._codes.pop(pid, None)  # a number may be used again
            return pid
        self._codes[pid] = code
        return None


class ForkedRun:
    """A run, with the methods of `subprocess.Popen` that a study uses."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._server = server
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code; None while the run lives."""
        if self.returncode is None:
            self.returncode = self._server.code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the run.

        Args:
            timeout: in seconds; None for no limit.

        Raises:
            subprocess.TimeoutExpired: the run still lives.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired("train", timeout or 0.0)
            time.sleep(_POLL)
        return code

    def terminate(self) -> None:
        """Asks the run to save and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the run at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _program() -> str:
    """Returns `sys.argv[0]` of a run started in the form that started this process."""
    words = typed("train")
    return words[1] if len(words) == 2 and words[0] == "python" else " ".join(words)


def serve(link: int, modules: Sequence[str]) -> None:
    """Imports modules, then forks a run for each request, until the study closes its end.

    It returns in the runs too, after `main`.

    Args:
        link: file descriptor of the connection.
        modules: see `ForkServer`.
    """
    loaded = [importlib.import_module(name) for name in modules]
    own_revision()  # runs that start after a later commit have this code
    gc.freeze()  # so that a collection in a run copies no memory
    request = _next_run(Connection(link))
    if request is not None:
        _become(*request)
        loaded[-1].main()


def _next_run(link: Connection) -> tuple[str, list[str], str] | None:
    """Forks runs. Returns the request in each run, and None in the server at its end."""
    alive: set[int] = set()
    while True:
        if link.poll(_POLL):
            try:
                request = link.recv()
            except (EOFError, OSError):
                return None
            pid = os.fork()
            if pid == 0:
                link.close()
                return request
            alive.add(pid)
            link.send((pid, None))
        for pid in list(alive):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                alive.remove(pid)
                link.send((pid, os.waitstatus_to_exitcode(status)))


def _become(program: str, arguments: list[str], output: str) -> None:
    """Makes this fork look like an interpreter that was started for a run."""
    os.setsid()
    end_with_parent()
    file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.argv = [program, *arguments]
