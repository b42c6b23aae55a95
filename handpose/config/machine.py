"""Failures of the machine in words: memory, shared memory, open files, disks, killed processes."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

_LESS = "Set trainer.num_workers=0 and resume, or lower {keys} in a new run"
# (what the text of an error says, what that means, what to do): the first that fits.
_SHORTAGES = (
    (
        r"allocate shared memory|Bus error|out of shared memory|exit code 28\b",
        "/dev/shm is too small for the batches of the data workers",
        "Start the container with more (docker run --shm-size=8g), or set trainer.num_workers=0",
    ),
    (
        r"Too many open files|received 0 items of ancdata|exit code 24\b",
        "too many files are open",
        "Raise the limit (ulimit -n 4096), or set trainer.num_workers=0",
    ),
    (
        r"DataLoader worker .*(is killed by signal|exited unexpectedly)",
        "a data worker was killed, most likely by the system for lack of memory",
        _LESS,
    ),
    (
        r"process pool was terminated abruptly",
        "a helper process was killed, most likely by the system for lack of memory",
        "Free memory, or give the command fewer cores (taskset -c 0 python train.py ...): each "
        "core runs one helper",
    ),
    (r"CUDA out of memory", "the GPU is out of memory", "Lower {keys} in a new run"),
    (
        r"MemoryError|DefaultCPUAllocator|Insufficient memory|Cannot allocate memory|bad_alloc",
        "out of memory",
        _LESS,
    ),
)
_ADVICE = {
    errno.ENOENT: "It was deleted or moved. Restore it, or choose another place",
    errno.EEXIST: "Something else is in its place. Move that away",
    errno.ENOTDIR: "A file is in the place of a directory. Move it away",
    errno.EISDIR: "A directory is in the place of a file. Move it away",
    errno.EACCES: "Choose a place that you can read and write",
    errno.EPERM: "Choose a place that you can read and write",
    errno.EROFS: "Choose a place that can be written",
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room within the quota",
    errno.ENAMETOOLONG: "Choose a shorter path",
    errno.EIO: "Check the disk",
    errno.ELOOP: "A link is in its place. Move it away",
}


@contextmanager
def during(what: str, *keys: str) -> Iterator[None]:
    """Notes on an error what was being done, and the keys to lower where memory was short."""
    try:
        yield
    except Exception as error:
        if not hasattr(cause := original(error), "__notes__"):
            cause.add_note(f"{what} ({' or '.join(keys)})")
        raise


def original(error: BaseException) -> BaseException:
    """The error that Lightning's teardown, or torch's loader, covers with a vaguer one."""
    vaguer = re.search(r"iter\(combined_loader\)|pid\(s\)", str(error))
    is_covering = vaguer and isinstance(error.__context__, RuntimeError | OSError | MemoryError)
    return original(error.__context__) if is_covering else error  # type: ignore[arg-type]


def explained(error: BaseException) -> str | None:
    """What a failure of the machine means and what to do; None for any other error."""
    text = of_worker(str(error))
    note = next(iter(getattr(error, "__notes__", [])), "")
    what, _, keys = note.rstrip(")").partition(" (")
    where = f"{what}: " if what else ""
    for pattern, meaning, advice in _SHORTAGES:
        if re.search(pattern, f"{type(error).__name__}: {text}"):
            shown = text.partition("\n")[0][:200]
            return f"{where}{meaning} ({shown}). {advice.format(keys=keys or 'the batch size')}"
    if not isinstance(error, OSError):
        return None
    found = re.match(r"\[Errno (\d+)\] (.*)", text, re.S)
    advice = _ADVICE.get(int(found[1]), "") if found else ""
    return where + ". ".join(filter(None, (found[2] if found else text, advice)))


def of_worker(text: str) -> str:
    """An error's text without the traceback that a data worker's error comes with."""
    found = re.match(r"Caught \w+ in DataLoader worker.*^[\w.]+[eE]rror: ", text, re.S | re.M)
    return text[found.end() :] if found else text
