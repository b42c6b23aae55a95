"""`python -m handpose.soak.counted STEPS [KEY=VALUE] ...`: train.py, noting its steps in STEPS.

Nothing else about it differs from `python train.py [KEY=VALUE] ...`.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

from handpose.soak.steps import Step
from handpose.training.module import Stage

TRAIN = Path(__file__).resolve().parents[2] / "train.py"


def note_steps(path: Path) -> None:
    """From here on, this process adds a line to `path` before each step."""
    # One call a line: kill -9 leaves a whole line, or none.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(stage: Stage, batch: Any, batch_idx: int) -> None:
        trainer = stage.trainer
        done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx
        os.write(file, Step(os.getpid(), stage.stage, done).as_line().encode())

    Stage.on_train_batch_start = note  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    note_steps(Path(sys.argv[1]))
    sys.argv = [str(TRAIN), *sys.argv[2:]]
    runpy.run_path(str(TRAIN), run_name="__main__")
