"""The four setups of DexYCB: which frames train, validate and test (its toolkit's `dex_ycb.py`).

| setup | unseen | validation | test |
|---|---|---|---|
| s0 | grasps | every 5th sequence of subjects 1 and 2 | every 5th sequence of the others |
| s1 | subjects | subject 7 | subjects 8 and 9 |
| s2 | cameras | the 7th camera | the 8th camera |
| s3 | objects | objects 4 and 20 | objects 8, 12 and 16 |

A subject has 100 sequences, sorted by name, five in a row with each of 20 objects. Everything else
is for training.
"""

import re

import numpy as np

from handpose.data.base import SPLITS

SETUPS = ("s0", "s1", "s2", "s3")
BY_SEQUENCE = ("s0", "s3")  # setups that count the sequences of a subject
SEQUENCES = 100  # of each subject
SEQUENCE_NAME = re.compile(r"\d{8}_\d{6}")
SUBJECTS = (
    "20200709-subject-01",
    "20200813-subject-02",
    "20200820-subject-03",
    "20200903-subject-04",
    "20200908-subject-05",
    "20200918-subject-06",
    "20200928-subject-07",
    "20201002-subject-08",
    "20201015-subject-09",
    "20201022-subject-10",
)
SERIALS = (
    "836212060125",
    "839512060362",
    "840412060917",
    "841412060263",
    "932122060857",
    "932122060861",
    "932122061900",
    "932122062010",
)


def splits_of(
    setup: str, *, subject: np.ndarray, serial: np.ndarray, sequence: np.ndarray
) -> np.ndarray:
    """Return (N,) the place in `SPLITS` of each frame.

    Args:
        setup: one of `SETUPS`.
        subject: (N,) int, its place in `SUBJECTS`.
        serial: (N,) int, the place of its camera in `SERIALS`.
        sequence: (N,) int, the place of its sequence among all of the subject's, sorted by name.
    """
    is_val, is_test = {
        "s0": lambda: (
            (sequence % 5 == 4) & (subject < 2),
            (sequence % 5 == 4) & (subject >= 2),
        ),
        "s1": lambda: (subject == 6, np.isin(subject, (7, 8))),
        "s2": lambda: (serial == 6, serial == 7),
        "s3": lambda: (np.isin(sequence // 5, (3, 19)), np.isin(sequence // 5, (7, 11, 15))),
    }[setup]()
    train, val, test = (SPLITS.index(split) for split in ("train", "val", "test"))
    return np.select([is_val, is_test], [val, test], default=train)
