"""What a report is made of."""

from typing import Any, NamedTuple

import numpy as np

from handpose.evaluation.evaluation import Evaluation, Results
from handpose.records import Views

Curves = dict[str, list[tuple[int, float]]]


class ReportInput(NamedTuple):
    """A finished run, in plain values. H, W of each source image."""

    config: dict[str, Any]  # the resolved configuration
    command: str  # the command line that made it
    results: Results  # flat; null with "<name>_reason" beside it
    curves: Curves  # "<stage>/<kind>_<name>" -> [(epoch, value), ...]
    evaluation: Evaluation | None  # None with head=none
    images: dict[int, np.ndarray]  # place in the dataset -> (H, W, 3) uint8, of the drawn samples
    views: Views | None  # up to 8 collated pairs; None with objective=none
    steps: Curves | None = None  # "<stage>/step_<name>" -> [(step, value), ...]; None: no training
    evaluated_on: str | None = None  # the dataset, where the page is an evaluation's alone
