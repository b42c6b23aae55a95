"""train.py, whose process 1 fails at the start of the second epoch of fine-tuning."""

import os
import runpy
from pathlib import Path

from handpose.training.finetuner import Finetuner


def fail(stage: Finetuner) -> None:
    if stage.current_epoch == 1 and os.environ["RANK"] == "1":
        raise RuntimeError("process 1 broke")


Finetuner.on_train_epoch_start = fail
runpy.run_path(str(Path(__file__).resolve().parents[2] / "train.py"), run_name="__main__")
