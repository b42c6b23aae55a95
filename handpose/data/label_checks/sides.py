"""Finds hands of the wrong side, mirrored ones and flipped axes: fingers bend one way only."""

import numpy as np

from handpose.data.label_checks.cameras import has_flipped_depth
from handpose.data.label_checks.hands import Hands, palm_bend

_BACKWARD = -0.3  # `palm_bend` below which a hand is of the other side, or flat and noisy
# Share of the hands of a side that bend backwards. Of right labels with 4 mm of noise 0.1 % do, of
# wrong ones over 90 %.
_SOME, _MOST = 0.15, 0.75
_LEAST = 5  # hands of one side

_AXES = "give x right, y down, z forward"


def find_side_fault(hands: Hands) -> str | None:
    """Return why the sides and poses of many hands do not go together, or None."""
    bend = palm_bend(hands)
    known = np.isfinite(bend)
    if not known.any():
        return None
    backward = bend < _BACKWARD
    if backward[known].mean() > _MOST and not _is_one_sided(hands, backward, known):
        if has_flipped_depth(hands):
            return (
                "most hands bend their fingers backwards, and uv fits depths of the other sign: z "
                "is flipped about the wrist, it seems. It must grow away from the camera. Negate "
                "z - z_wrist"
            )
        return (
            "most hands bend their fingers backwards: left and right are swapped, it seems, or an "
            f"axis of xyz is flipped. Swap the sides, or {_AXES}"
        )
    return _find_fault_of_a_side(hands, backward, known)


def find_relative_depth_warning(hands: Hands) -> str | None:
    """Return a warning if depths without a camera seem to be flipped, or None."""
    bend = palm_bend(hands, is_metric=False)
    bend = bend[np.isfinite(bend) & np.isnan(hands.K[:, 0, 0])]
    if len(bend) < _LEAST or (bend < _BACKWARD).mean() <= _MOST:
        return None
    return (
        "most hands bend their fingers backwards: the relative depth points to the camera, it "
        "seems, or left and right are swapped. Depth must grow away from the camera"
    )


def _shares(hands: Hands, backward: np.ndarray, known: np.ndarray) -> dict[str, tuple[float, int]]:
    """Return {side: share of its hands that bend backwards, their number}."""
    shares = {}
    for side, chosen in (("left", hands.is_left), ("right", ~hands.is_left)):
        some = backward[known & chosen]
        shares[side] = (float(some.mean()) if len(some) else 0.0, len(some))
    return shares


def _is_one_sided(hands: Hands, backward: np.ndarray, known: np.ndarray) -> bool:
    """Return whether the hands of one side alone bend backwards."""
    shares = _shares(hands, backward, known).values()
    return min(share for share, _ in shares) <= _SOME and min(n for _, n in shares) >= _LEAST


def _find_fault_of_a_side(hands: Hands, backward: np.ndarray, known: np.ndarray) -> str | None:
    shares = _shares(hands, backward, known)
    side, (share, count) = max(shares.items(), key=lambda item: item[1][0])
    other = "right" if side == "left" else "left"
    if share <= _SOME or share * count < _LEAST:
        return None
    text = f"{share:.0%} of the {side} hands bend their fingers backwards"
    if shares[other][1]:
        text += f", and {shares[other][0]:.0%} of the {other} ones"
    if share > _MOST:
        return (
            f"{text}: the {side} ones are mirrored, it seems, or {other} hands called {side}. "
            "Correct their sides, or their x"
        )
    return f"{text}: hands of both sides are called {side}, it seems. Correct their sides"
