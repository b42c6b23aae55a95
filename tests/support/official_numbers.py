"""The official evaluations of FreiHAND, DexYCB and HO-3D, hand by hand, as their code has them."""

from collections.abc import Iterable

import numpy as np
from scipy.linalg import orthogonal_procrustes

HO3D_MIDDLE_MCP = 4  # in MANO's order


class Errors:
    """`EvalUtil`: the errors of each joint, then their means and the area under PCK."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def feed(self, true: np.ndarray, predicted: np.ndarray) -> None:
        self.rows.append(np.sqrt(np.sum(np.square(true - predicted), axis=1)))

    def measures(self, maximum: float) -> tuple[float, float]:
        """(mean, AUC), each the mean over joints; thresholds 0 to `maximum`, 100 of them."""
        limits, means, areas = np.linspace(0.0, maximum, 100), [], []
        for errors in np.array(self.rows).T:
            means.append(np.mean(errors))
            curve = [np.mean((errors <= limit).astype("float")) for limit in limits]
            areas.append(np.trapezoid(curve, limits) / np.trapezoid(np.ones(100), limits))
        return float(np.mean(means)), float(np.mean(areas))


def align_with_scale(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """`align_w_scale`: a similarity that may reflect."""
    shift, a, b = true.mean(0), true - true.mean(0), predicted - predicted.mean(0)
    size = np.linalg.norm(a) + 1e-8
    a, b = a / size, b / (np.linalg.norm(b) + 1e-8)
    rotation, scale = orthogonal_procrustes(a, b)
    return np.dot(b, rotation.T) * scale * size + shift


def align_scale_and_shift(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """`align_sc_tr` of HO-3D: the wrist in its place, the bone to joint 4 as long; their order."""
    length = np.sqrt(np.sum(np.square(predicted[HO3D_MIDDLE_MCP] - predicted[0])))
    if length > 0:
        predicted = predicted / length
    predicted = predicted * np.sqrt(np.sum(np.square(true[HO3D_MIDDLE_MCP] - true[0])))
    return predicted - predicted[0:1] + true[0:1]


def of_dexycb(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """`HPEEvaluator.evaluate` of (true, predicted) joints in mm: {number: (MPJPE, AUC)}."""
    errors = {name: Errors() for name in ("absolute", "root-relative", "procrustes")}
    for true, predicted in pairs:
        errors["absolute"].feed(true, predicted)
        errors["root-relative"].feed(true - true[0], predicted - predicted[0])
        errors["procrustes"].feed(true, align_with_scale(true, predicted))
    return {name: own.measures(50.0) for name, own in errors.items()}


def of_ho3d(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """`eval.py` of (true, predicted) joints in metres, in its order: {number: (mean, AUC)}."""
    errors = {name: Errors() for name in ("absolute", "scale-translation", "procrustes")}
    for true, predicted in pairs:
        errors["absolute"].feed(true, predicted)
        errors["scale-translation"].feed(true, align_scale_and_shift(true, predicted))
        errors["procrustes"].feed(true, align_with_scale(true, predicted))
    return {name: own.measures(0.05) for name, own in errors.items()}
