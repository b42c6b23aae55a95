"""MediaPipe's detector on real hands, in threads, and without a line of its own on stderr."""

import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handpose.data.base import joint_box
from handpose.data.images import read_image
from handpose.data.sources.freihand import FreiHand
from handpose.data.synthetic.render import render_hand
from handpose.detect.loading import load_detector
from handpose.detect.mediapipe import HandLandmarker
from handpose.detect.model_file import LANDMARKS, PALM

ROOT = Path(__file__).resolve().parents[2]
TFLITE = b"\0\0\0\0TFL3"


@pytest.fixture
def frames(real_samples: Path) -> list[np.ndarray]:
    return [read_image(path) for path in sorted((real_samples / "freihand").rglob("*.jpg"))]


def test_landmarks_are_ours_in_order_side_and_frame(
    real_samples: Path, landmarker: HandLandmarker, tmp_path: Path
) -> None:
    contract = dict(cache=str(tmp_path), image_size=128, val_fraction=0.0, split="train")
    dataset = FreiHand(root=str(real_samples / "freihand"), **contract)
    found = 0
    for index in range(len(dataset)):
        sample = dataset[index]
        for hand in landmarker(sample.image)[:1]:
            found += 1
            true = joint_box(sample.uv)
            errors = np.linalg.norm(hand.uv - sample.uv, axis=1)
            assert np.median(errors) < 0.12 * true[2], sample.key
            assert np.linalg.norm(hand.box[:2] - true[:2]) < 0.15 * true[2]
            assert 0.75 < hand.box[2] / true[2] < 1.33
            assert hand.side == sample.side
    assert found >= 6


def test_rendered_hands_are_found(landmarker: HandLandmarker) -> None:
    found = sides = 0
    for seed in range(12):
        hand = render_hand(np.random.default_rng(seed), size=128, orientation="frontal")
        for one in landmarker(hand.image)[:1]:
            error = np.linalg.norm(one.uv - hand.uv, axis=1).mean() / joint_box(hand.uv)[2]
            found, sides = found + (error < 0.1), sides + (one.side == hand.side)
    assert found >= 10
    assert sides >= 10


def test_a_mirrored_hand_has_the_other_side(
    frames: list[np.ndarray], landmarker: HandLandmarker
) -> None:
    hand, mirrored = landmarker(frames[0])[0], landmarker(frames[0][:, ::-1])[0]
    assert (hand.side, mirrored.side) == ("right", "left")
    width = frames[0].shape[1]
    assert np.abs(width - 1 - mirrored.uv[:, 0] - hand.uv[:, 0]).max() < 0.1 * hand.box[2]


def test_an_image_without_a_hand_has_none(landmarker: HandLandmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert landmarker(noise) == []
    assert landmarker(np.zeros((1, 1, 3), np.uint8)) == []
    for wrong in (noise.astype(np.float32), noise[..., 0]):
        with pytest.raises(ValueError, match=r"give \(H, W, 3\) uint8"):
            landmarker(wrong)


def test_threads_get_what_one_thread_gets(
    frames: list[np.ndarray], landmarker: HandLandmarker
) -> None:
    alone = [landmarker(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(landmarker, frames * 3))
    for one, other in zip(alone * 3, together, strict=True):
        assert len(one) == len(other)
        assert all(np.array_equal(a.uv, b.uv) for a, b in zip(one, other, strict=True))


def test_its_own_messages_do_not_reach_the_user(hand_landmarker: Path, real_samples: Path) -> None:
    image = next((real_samples / "freihand").rglob("*.jpg"))
    code = (
        "import os, sys; from pathlib import Path\n"
        "from handpose.data.images import read_image\n"
        "from handpose.detect.loading import load_detector\n"
        f"detect, closed = (load_detector({str(hand_landmarker)!r}) for _ in range(2))\n"
        "os.write(2, b'one\\n'); closed.close(); closed.close()\n"
        f"print(len(detect(read_image(Path({str(image)!r})))))\n"
        "print('two', file=sys.stderr)\n"
        "try: closed(None)\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == ["one", "two"]
    assert done.stdout.splitlines() == ["1", "the detector is closed"]


def test_import_of_mediapipe_waits_for_a_model() -> None:
    code = "import sys, handpose.detect.loading; assert 'mediapipe' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def _bundle(path: Path, entries: dict[str, bytes], *, compressed: bool = False) -> Path:
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as bundle:
        for name, content in entries.items():
            bundle.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({PALM: TFLITE}, f"there is no {LANDMARKS} in it"),
        ({PALM: TFLITE, LANDMARKS: b"<html>"}, f"{LANDMARKS} in it is not a TFLite file"),
        ({"pose_detector.tflite": TFLITE}, f"there is no {PALM} in it"),
    ],
)
def test_another_zip_is_refused(tmp_path: Path, entries: dict, words: str) -> None:
    path = _bundle(tmp_path / "x.task", entries)
    with pytest.raises(ValueError, match=words) as refused:
        load_detector(str(path))
    assert "ai.google.dev" in str(refused.value)
    assert "--make-model x.task" in str(refused.value)


def test_a_compressed_corrupt_or_special_file_is_refused(tmp_path: Path) -> None:
    entries = {PALM: TFLITE * 99, LANDMARKS: TFLITE * 99}
    with pytest.raises(ValueError, match="is compressed"):
        load_detector(str(_bundle(tmp_path / "a.task", entries, compressed=True)))
    content = bytearray(_bundle(tmp_path / "b.task", entries).read_bytes())
    content[200] ^= 1
    (tmp_path / "b.task").write_bytes(content)
    with pytest.raises(ValueError, match="or cut short"):
        load_detector(str(tmp_path / "b.task"))
    (tmp_path / "c.task").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="not a model of HandLandmarker"):
        load_detector(str(tmp_path / "c.task"))
    (tmp_path / "d.task").mkdir()
    with pytest.raises(ValueError, match="it is a directory"):
        load_detector(str(tmp_path / "d.task"))


def test_networks_that_mediapipe_cannot_read_are_an_error(
    hand_landmarker: Path, tmp_path: Path
) -> None:
    path = _bundle(tmp_path / "x.task", {PALM: TFLITE * 99, LANDMARKS: TFLITE * 99})
    with pytest.raises(ValueError, match=r"x\.task: MediaPipe cannot read it"):
        load_detector(str(path))


def test_without_mediapipe_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _bundle(tmp_path / "x.task", {PALM: TFLITE, LANDMARKS: TFLITE})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "handpose\[detect\]"'):
        load_detector(str(path))
