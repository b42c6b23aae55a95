"""Predicts on a whole input: read, predict in batches, write, report what was skipped."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from handpose.media.camera import open_camera
from handpose.media.images import Frame, read_images
from handpose.media.inputs import Input
from handpose.media.video import open_video
from handpose.predict.hand import Given, Hand
from handpose.predict.hand_pose import HandPose
from handpose.predict.output_files import Writer, image_writer, video_writer
from handpose.progress import track


class Done(NamedTuple):
    """What a job did."""

    written: int  # images or frames
    skipped: int  # images or frames
    assumed: tuple[str, ...] = ()  # `Hand.assumed` of the first hand


@dataclass(frozen=True)
class Job:
    """A prediction on an input.

    Args:
        hand_pose: the model.
        given: what is known of every hand.
        folder: where the predictions go; is made if missing.
        batch_size: number of images predicted at once; 1 for a camera.
    """

    hand_pose: HandPose
    given: Given
    folder: Path
    batch_size: int

    def run(self, found: Input, *, limit: int | None = None) -> Done:
        """Predicts and writes; an image that cannot be read is skipped with one line.

        Args:
            limit: maximum number of frames of a video or camera.

        Raises:
            ValueError: a video or camera cannot be opened.
            OSError: a prediction cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if found.camera is not None:
            with (
                open_camera(found.camera, limit=limit) as video,
                video_writer(self.folder, f"camera-{found.camera}", video.rate) as write,
            ):
                return self._predict_all(video.frames, write, video.total, 1)
        done = Done(0, 0)
        if found.images:
            names = [found.name(path) for path in found.images]
            write, frames = image_writer(self.folder, names), read_images(found.images, names)
            done = self._predict_all(frames, write, len(names), self.batch_size)
        for path in found.videos:
            with (
                open_video(path, name=found.name(path), limit=limit) as video,
                video_writer(self.folder, path.stem, video.rate) as write,
            ):
                last = self._predict_all(video.frames, write, video.total, self.batch_size)
            done = Done(done.written + last.written, done.skipped + last.skipped, last.assumed)
        return done

    def _predict_all(
        self,
        frames: Iterator[Frame | ValueError],
        write: Writer,
        total: int | None,
        batch_size: int,
    ) -> Done:
        written = skipped = 0
        assumed: list[str] = []

        def noted(frame: Frame, hand: Hand) -> None:
            write(frame, hand)
            assumed[:] = assumed or hand.assumed

        with closing(track(frames, what="predicting", total=total)) as tracked:
            try:
                while batch := list(islice(tracked, batch_size)):
                    reasons = self._predict(batch, noted)
                    for reason in reasons:
                        print(f"skipped: {reason}")
                    written, skipped = written + len(batch) - len(reasons), skipped + len(reasons)
            except KeyboardInterrupt:  # the way to end a camera; written files stay
                print("stopped")
        return Done(written, skipped, tuple(assumed))

    def _predict(self, batch: list[Frame | ValueError], write: Writer) -> list[str]:
        """Writes the predictions of a batch; returns why the others were skipped."""
        frames = [frame for frame in batch if isinstance(frame, Frame)]
        reasons = [str(frame) for frame in batch if isinstance(frame, ValueError)]
        try:
            hands = self.hand_pose.predict([frame.image for frame in frames], self.given)
        except ValueError as error:
            if len(frames) == 1:
                return [*reasons, f"{_name(frames[0])}: {error}"]
            return reasons + [line for frame in frames for line in self._predict([frame], write)]
        for frame, hand in zip(frames, hands, strict=True):
            try:
                write(frame, hand)
            except ValueError as error:
                reasons.append(f"{_name(frame)}: {error}")
        return reasons


def _name(frame: Frame) -> str:
    return frame.source if frame.number is None else f"{frame.source}, frame {frame.number}"
