"""The order of copies ahead. Streams are stand-ins here: that they overlap needs a GPU to show."""

from contextlib import nullcontext
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from handpose.data.prefetch import DeviceLoader


def test_the_next_batch_is_copied_before_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    step = Mock()
    step.wait_stream = lambda stream: events.append("wait")
    monkeypatch.setattr(torch.cuda, "Stream", Mock())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: step)
    monkeypatch.setattr(Tensor, "record_stream", lambda self, stream: events.append("record"))

    def collate(rows: list[int]) -> dict[str, Tensor]:
        events.append(f"read {rows[0]}")
        return {"index": torch.tensor(rows)}

    loader = DeviceLoader(
        range(6), device=torch.device("cpu"), batch_size=2, collate_fn=collate, num_workers=0
    )
    for _ in range(2):  # epochs
        events.clear()
        for batch in loader:
            events.append(f"use {int(batch['index'][0])}")
        assert events == [
            *("read 0", "wait", "record", "read 2", "use 0"),
            *("wait", "record", "read 4", "use 2"),
            *("wait", "record", "use 4"),
        ]
