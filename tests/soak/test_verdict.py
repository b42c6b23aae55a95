"""The figures and the verdict of a soak."""

import io

import pytest
from kills import KINDS, Kill, Soaked
from rich.console import Console
from verdict import Step, Verdict, print_verdict, repeated_steps

KILL_9, TERM = KINDS[0], KINDS[2]
WHOLE = [Step(1, stage, batch) for stage in ("pretrain", "finetune") for batch in range(4)]
# Killed before a step, in pre-training after steps 0 to 2, and told to stop in fine-tuning.
KILLED = [
    *(Step(12, "pretrain", batch) for batch in range(3)),
    *(Step(13, "pretrain", batch) for batch in (1, 2, 3)),
    Step(13, "finetune", 0),
    *(Step(14, "finetune", batch) for batch in (1, 2, 3)),
]


def verdict(*, code: int = 143, differences: tuple[str, ...] = ()) -> Verdict:
    kills = [
        Kill(KILL_9, 11, 5.0, -9),
        Kill(KILL_9, 12, 9.0, -9, progress=True),
        Kill(TERM, 13, 9.0, code, progress=True),
    ]
    soaked = Soaked(kills, seconds=120.0, stretch=1.5, largest=2_000_000, most_files=3)
    return Verdict(soaked, whole=WHOLE, killed=KILLED, differences=differences)


def printed(found: Verdict) -> str:
    text = io.StringIO()
    print_verdict(found, Console(file=text, width=120))
    return text.getvalue()


def test_steps_that_were_begun_again_are_counted_by_the_start_that_lost_them() -> None:
    assert repeated_steps(KILLED) == {12: 2, 13: 0}
    assert len(KILLED) - len(WHOLE) == 2


def test_the_table_says_where_each_kind_struck() -> None:
    rows = [line.strip("│ ").split("│") for line in printed(verdict()).splitlines()]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if len(row) > 1}
    assert cells["kill -9 of all processes"] == ["1", "1", "0", "2", "2"]
    assert cells["SIGTERM"] == ["0", "0", "1", "1", "0"]


def test_a_run_that_came_through_is_good() -> None:
    found = verdict()
    assert found.is_good
    text = printed(found)
    assert "3 kills in 2.0 min; 8 steps, 10 with the repeated ones" in text
    assert "2.0 MB, at most 3 files" in text
    assert "1 starts made no progress before they were killed" in text
    assert "the same bits" in text


@pytest.mark.parametrize("difference", [("model.pt/state_dict/weight",), tuple("abcdefghijkl")])
def test_a_difference_is_named_and_is_not_good(difference: tuple[str, ...]) -> None:
    found = verdict(differences=difference)
    assert not found.is_good
    assert difference[0] in printed(found)
    assert "NOT the same bits" in printed(found)
    assert ("2 more differences" in printed(found)) == (len(difference) == 12)


def test_a_wrong_exit_code_is_not_good_unless_all_was_done() -> None:
    assert "SIGTERM ended with 0" in printed(verdict(code=0))
    assert not verdict(code=0).is_good
    done = verdict(code=0)
    done.soaked.kills[-1] = done.soaked.kills[-1]._replace(finished=True)
    assert done.is_good


def test_no_kill_shows_nothing() -> None:
    soaked = Soaked([], seconds=5.0, stretch=1.0, largest=0, most_files=0)
    assert not Verdict(soaked, WHOLE, WHOLE, ()).is_good
