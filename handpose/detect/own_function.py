"""A user's own function as a detector: found by its name, and what it returns is checked.

J = 21 joints.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from handpose.detect.base import Detection
from handpose.messages import did_you_mean, nearest
from handpose.skeleton import NUM_JOINTS

Function = Callable[[np.ndarray], Any]


def find_function(spec: str) -> Function:
    """Import the function that `package.module:function` names; the working directory counts.

    Raises:
        ValueError: there is no such module or function; says which part is wrong.
    """
    module_name, _, name = spec.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise ValueError(f"{spec}: write a detector of your own as package.module:function")
    if os.getcwd() not in sys.path:  # noqa: PTH109  # sys.path holds text
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ValueError(
                f"{spec}: there is no module {error.name}; run from its folder, or install it"
            ) from None
        raise ValueError(f"{spec}: {module_name} needs {error.name}; install it") from error
    function = getattr(module, name, None)
    if callable(function):
        return function
    names = [other for other in vars(module) if callable(getattr(module, other))]
    hint = did_you_mean(nearest(name, names))
    what = "is not a function" if hasattr(module, name) else f"is not in {module_name}{hint}"
    raise ValueError(f"{spec}: {name} {what}")


class OwnFunction:
    """Calls a user's function, checks its hands, and keeps the best.

    Args:
        function: image (H, W, 3) uint8 RGB -> list of `Detection`, in any order.
        name: of the function, for messages.
        min_score: 0..1; hands below it are left out.
        num_hands: largest number of hands in an image.
    """

    def __init__(self, function: Function, name: str, *, min_score: float, num_hands: int) -> None:
        self._function = function
        self._name = name
        self._min_score = min_score
        self._num_hands = num_hands

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the hands of an image (H, W, 3) uint8 RGB, best score first.

        Raises:
            ValueError: the function returned something else than hands; says what is wrong.
        """
        found = self._function(image)
        if not isinstance(found, Sequence):
            self._refuse(f"{type(found).__name__}; return a list of Detection")
        hands = [self._checked(hand) for hand in found]
        good = [hand for hand in hands if hand.score >= self._min_score]
        return sorted(good, key=lambda hand: -hand.score)[: self._num_hands]

    def _checked(self, hand: Any) -> Detection:
        if not isinstance(hand, tuple) or len(hand) != len(Detection._fields):
            self._refuse(f"a hand that is {_shown(hand)}; return Detection(box, side, score, uv)")
        box, side, score, uv = hand
        uv = np.full((NUM_JOINTS, 2), np.nan) if uv is None else uv
        box = self._array("box", box, (3,), "centre u, centre v, side in px")
        uv = self._array("uv", uv, (NUM_JOINTS, 2), "u, v in px, NaN without landmarks")
        if not np.isfinite(box).all() or box[2] <= 0:
            self._refuse(f"the box {box.tolist()}; return finite numbers and a side above 0")
        if side not in ("left", "right"):
            self._refuse(f"the side {_shown(side)}; return 'left' or 'right'")
        if not isinstance(score, int | float | np.number) or not 0 <= score <= 1:
            self._refuse(f"the score {_shown(score)}; return a number from 0 to 1")
        return Detection(box, side, float(score), uv)

    def _array(self, what: str, value: Any, shape: tuple[int, ...], meaning: str) -> np.ndarray:
        try:
            array = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            self._refuse(f"the {what} {_shown(value)}; return numbers: {meaning}")
        if array.shape != shape:
            self._refuse(f"a {what} of shape {array.shape}; return {shape}: {meaning}")
        return array

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{self._name} returned {what}")


def _shown(value: Any) -> str:
    """Return a short form of any value."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
