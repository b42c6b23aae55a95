"""The records of a W&B run's file, which holds protocol buffers in LevelDB's log format."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

_HEAD = 7  # bytes: of the file, and of each part of a record
_BLOCK = 32768  # bytes; a part ends with its block at the latest
_LAST = (1, 4)  # kinds of a part that ends a record: whole, last


def finished_runs(run_dir: Path, *, seconds: float = 60.0) -> list["WandbFile"]:
    """The W&B runs of a run directory, once W&B's own process has written them to their ends.

    Args:
        run_dir: of the run.
        seconds: to wait for that process.
    """
    until = time.monotonic() + seconds
    while True:
        paths = sorted(run_dir.glob("wandb/offline-run-*/run-*.wandb"))
        files = [WandbFile(path) for path in paths]
        if all(file.exit_code is not None for file in files) or time.monotonic() > until:
            return files
        time.sleep(0.05)


class WandbFile:
    """What a run has logged: its record, config, history, summary, metrics and artifacts."""

    def __init__(self, path: Path) -> None:
        self.run: Any = None
        self.exit_code: int | None = None
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.metrics: dict[str, Any] = {}  # name -> MetricRecord
        self.artifacts: list[Any] = []
        for record in _records(path.read_bytes()):
            getattr(self, f"_{record.WhichOneof('record_type')}", lambda _: None)(record)

    def _run(self, record: Any) -> None:
        self.run = record.run
        self.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}

    def _config(self, record: Any) -> None:
        for item in record.config.update:
            if item.key:
                self.config[item.key] = json.loads(item.value_json)

    def _history(self, record: Any) -> None:
        self.history.append(_items(record.history.item))

    def _summary(self, record: Any) -> None:
        self.summary |= _items(record.summary.update)

    def _metric(self, record: Any) -> None:
        self.metrics[record.metric.name] = record.metric

    def _artifact(self, record: Any) -> None:
        self.artifacts.append(record.artifact)

    def _exit(self, record: Any) -> None:
        self.exit_code = record.exit.exit_code

    def curve(self, name: str, axis: str) -> list[tuple[float, float]]:
        """The points of a metric over its axis."""
        return [(row[axis], row[name]) for row in self.history if name in row]


def _items(items: Any) -> dict[str, Any]:
    found = {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    return found


def _records(content: bytes) -> Iterator[Any]:
    if content[:4] != b":W&B":  # nothing is written yet
        return
    place, joined = _HEAD, b""
    while place + _HEAD <= len(content):
        if _BLOCK - place % _BLOCK < _HEAD:  # padding at the end of a block
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        if len(content) < place + _HEAD + length:  # not written to its end yet
            return
        joined += content[place + _HEAD : place + _HEAD + length]
        place += _HEAD + length
        if kind in _LAST:
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(joined)
            yield record
            joined = b""
