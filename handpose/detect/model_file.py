"""The model file of MediaPipe's HandLandmarker: a zip of two TFLite files, checked before work."""

import zipfile
from pathlib import Path

from handpose.files import LARGEST_WEIGHTS, regular

SUFFIX = ".task"
PALM, LANDMARKS = "hand_detector.tflite", "hand_landmarks_detector.tflite"
# Where Google publishes it.
PUBLISHED = "https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker#models"
_TFLITE = b"TFL3"  # bytes 4 to 8 of a TFLite file


def check_model_file(path: Path) -> Path:
    """Return `path` if it holds both networks of a HandLandmarker.

    Raises:
        ValueError: it is missing, not a regular file, or something else; says where to get one.
    """
    if problem := _problem(path):
        raise ValueError(
            f"{path}: {problem}. Download hand_landmarker.task from {PUBLISHED}, or make one with "
            f"`handpose detect --make-model {path.name}`"
        )
    return path


def _problem(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(regular(path, most=LARGEST_WEIGHTS)) as bundle:
            return next(filter(None, (_entry_problem(bundle, n) for n in (PALM, LANDMARKS))), None)
    except FileNotFoundError:
        return "no such model file"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        return f"not a model of HandLandmarker, or cut short ({error})"


def _entry_problem(bundle: zipfile.ZipFile, name: str) -> str | None:
    """Return what is wrong with an entry; its checksum is compared too."""
    if name not in bundle.namelist():
        return f"not a model of HandLandmarker: there is no {name} in it"
    if bundle.getinfo(name).compress_type != zipfile.ZIP_STORED:
        return f"{name} is compressed in it, which MediaPipe does not read"
    return None if bundle.read(name)[4:8] == _TFLITE else f"{name} in it is not a TFLite file"
