"""`python tests/soak/counted_train.py STEPS [KEY=VALUE] ...`: train.py, logging its steps to STEPS.

Each training step adds a line "PID STAGE BATCH" before it begins; BATCH counts from 0 over all
epochs. In all else it is `python train.py [KEY=VALUE] ...`.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

from handpose.training.module import Stage

TRAIN = Path(__file__).resolve().parents[2] / "train.py"


def log_steps(path: Path) -> None:
    """Makes every training step of this process add its line to `path`."""
    # One write a line: kill -9 leaves a whole line or none.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def log(stage: Stage, batch: Any, batch_idx: int) -> None:
        trainer = stage.trainer
        number = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx
        os.write(file, f"{os.getpid()} {stage.stage} {number}\n".encode())

    Stage.on_train_batch_start = log  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    log_steps(Path(sys.argv[1]))
    sys.argv = [str(TRAIN), *sys.argv[2:]]
    runpy.run_path(str(TRAIN), run_name="__main__")
