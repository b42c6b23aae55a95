"""Import of W&B's client, which reports its own errors to its makers unless it is told not to."""

import os
from typing import Any

_ERROR_REPORTING = "WANDB_ERROR_REPORTING"


def import_wandb() -> Any:
    """Return the module `wandb`, which then reaches out for nothing but the run's own data.

    Without this variable, even an offline run looks up the server for reports of errors.
    """
    os.environ.setdefault(_ERROR_REPORTING, "false")
    import wandb

    return wandb
