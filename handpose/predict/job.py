"""A whole input, picture by picture: read, predict in batches, write, and say what was left out."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from handpose.config.prediction import Input
from handpose.predict.files import PictureWriter, Writer, video_writer
from handpose.predict.frames import Frame, image_names, opened, read_pictures
from handpose.predict.given import Given
from handpose.predict.hand_pose import HandPose

_SHOWN_FROM = 2  # pictures: one needs no progress bar


class Done(NamedTuple):
    """How many pictures or frames were written, and how many were left out."""

    written: int
    left_out: int


class Rate(ProgressColumn):
    """Frames per second, of the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


class Job:
    """What is the same for all pictures of an input.

    Args:
        hand_pose: the model.
        given: what is known of every picture.
        folder: where predictions go; made where it is missing.
        batch_size: how many pictures are predicted at a time; of a camera one.
        console: where progress and what is left out are told.
    """

    def __init__(
        self,
        hand_pose: HandPose,
        given: Given,
        folder: Path,
        *,
        batch_size: int,
        console: Console,
    ) -> None:
        self.hand_pose = hand_pose
        self.given = given
        self.folder = folder
        self.batch_size = batch_size
        self.console = console

    def run(self, found: Input, *, limit: int | None = None) -> Done:
        """Predicts and writes; a picture that cannot be read costs one line, not the others.

        Args:
            found: what is looked at.
            limit: of a video or camera, so many frames alone.

        Raises:
            ValueError: a video or camera cannot be opened.
            OSError: a prediction cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if found.kind == "pictures":
            return self._run_pictures(found)
        return self._run_video(found, limit)

    def _run_pictures(self, found: Input) -> Done:
        names, count = image_names(found.paths, root=found.root), len(found.paths)
        write, frames = PictureWriter(self.folder, names), read_pictures(found.paths, names)
        with self._progress(visible=count >= _SHOWN_FROM) as progress:
            return self._go(frames, write, progress, count, self.batch_size)

    def _run_video(self, found: Input, limit: int | None) -> Done:
        is_camera = found.kind == "camera"
        with opened(found.camera if is_camera else found.paths[0], limit=limit) as video:
            name = f"camera-{found.camera}" if is_camera else found.paths[0].stem
            with (
                video_writer(self.folder, name, video.rate) as write,
                self._progress(visible=True) as progress,
            ):
                batch_size = 1 if is_camera else self.batch_size
                return self._go(video.frames, write, progress, video.total, batch_size)

    def _progress(self, *, visible: bool) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not visible,
        )

    def _go(
        self,
        frames: Iterator[Frame | ValueError],
        write: Writer,
        progress: Progress,
        total: int | None,
        batch_size: int,
    ) -> Done:
        task = progress.add_task("Predicting", total=total)
        written = left_out = 0
        try:
            while batch := list(islice(frames, batch_size)):
                told = self._predict(batch, write)
                for reason in told:
                    self.console.print(f"left out: {reason}", markup=False, soft_wrap=True)
                written, left_out = written + len(batch) - len(told), left_out + len(told)
                progress.advance(task, len(batch))
        except KeyboardInterrupt:  # the way to end a camera; what is written stays
            self.console.print("stopped")
        return Done(written, left_out)

    def _predict(self, batch: Iterable[Frame | ValueError], write: Writer) -> list[str]:
        """Writes what can be predicted; the reasons of the others, a line each."""
        frames = [frame for frame in batch if isinstance(frame, Frame)]
        reasons = [str(frame) for frame in batch if isinstance(frame, ValueError)]
        try:
            hands = self.hand_pose.predict([frame.image for frame in frames], self.given)
            pairs = list(zip(frames, hands, strict=True))
        except ValueError as error:
            if len(frames) == 1:
                return [*reasons, f"{_named(frames[0])}: {error}"]
            return reasons + [line for frame in frames for line in self._predict([frame], write)]
        for frame, hand in pairs:
            try:
                write(frame, hand)
            except ValueError as error:
                reasons.append(f"{_named(frame)}: {error}")
        return reasons


def _named(frame: Frame) -> str:
    return frame.source if frame.number is None else f"{frame.source}, frame {frame.number}"
