"""Predicts on a whole input: read, locate, predict, draw and write, each in a thread of its own."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from handpose.media.background import in_background
from handpose.media.frames import Frame, read_images
from handpose.media.inputs import Input
from handpose.media.live_camera import open_camera
from handpose.media.video import open_video
from handpose.predict.hand import Hand
from handpose.predict.hand_pose import HandPose
from handpose.predict.locating import Finder, Located, located
from handpose.predict.output_files import (
    Outputs,
    Style,
    image_outputs,
    video_outputs,
    video_paths,
)
from handpose.predict.tracking import Tracker
from handpose.progress import track

# A frame with its hands, or the reason why it has none.
Result = tuple[Frame, list[Hand]] | ValueError
Results = Generator[Result, None, None]


class Done(NamedTuple):
    """What a job did."""

    written: int  # images or frames
    skipped: int  # images or frames
    hands: int = 0
    assumed: tuple[str, ...] = ()  # `Hand.assumed` of the first hand
    is_stopped: bool = False  # by Ctrl-C, or in the window


class Work(NamedTuple):
    """How hands are found, followed and written."""

    find: Finder
    folder: Path  # where the predictions go; is made if missing
    style: Style = Style()
    batch_size: int = 16  # frames at once; 1 for a camera
    every: int = 1  # of a video, see `located`
    smoothing: tuple[float, float] | None = None  # see `Tracker`
    show: Callable[..., bool] | None = None  # shows a drawing; returns whether to stop


@dataclass(frozen=True)
class Job:
    """A prediction on an input.

    Args:
        hand_pose: the model.
        work: how it is done.
    """

    hand_pose: HandPose
    work: Work

    def run(self, found: Input, *, limit: int | None = None) -> Done:
        """Predicts and writes; an image that cannot be read is skipped with one line.

        Args:
            found: the input.
            limit: maximum number of frames of a video or camera.

        Raises:
            ValueError: a video or camera cannot be opened.
            OSError: a prediction cannot be written.
        """
        self.work.folder.mkdir(parents=True, exist_ok=True)
        if found.camera is not None:
            path = self.work.folder / f"camera-{found.camera}"
            with open_camera(found.camera, limit=limit) as camera:
                return self._video(camera.frames, camera.total, camera.rate, path, is_live=True)
        done = self._images(found) if found.images else Done(0, 0)
        paths = video_paths(self.work.folder, [found.name(path) for path in found.videos])
        for path in found.videos:
            if done.is_stopped:
                break
            name = found.name(path)
            with open_video(path, name=name, limit=limit) as video:
                last = self._video(video.frames, video.total, video.rate, paths[name])
            if video.num_corrupt:
                print(f"{name}: {video.num_corrupt} corrupt frames, left out")
            done = _sum(done, last._replace(skipped=last.skipped + video.num_corrupt))
        return done

    def _images(self, found: Input) -> Done:
        names = [found.name(path) for path in found.images]
        frames = read_images(found.images, names)
        with image_outputs(self.work.folder, names, self.work.style) as outputs:
            return self._write(self._predicted(frames, every=1), outputs, len(names))

    def _video(
        self,
        frames: Iterator[Frame],
        total: int | None,
        rate: Fraction,
        path: Path,
        *,
        is_live: bool = False,
    ) -> Done:
        tracker = Tracker(smoothing=self.work.smoothing)
        results = self._predicted(frames, every=self.work.every, is_live=is_live)
        with video_outputs(path, rate, self.work.style) as outputs:
            return self._write(_followed(results, tracker), outputs, total)

    def _predicted(
        self,
        frames: Iterator[Frame] | Iterator[Frame | ValueError],
        *,
        every: int,
        is_live: bool = False,
    ) -> Results:
        """Yields the results of all frames, with two stages ahead of the one that takes them."""
        size = 1 if is_live else self.work.batch_size
        read = in_background(frames, ahead=size)
        batches = located(read, self.work.find, batch_size=size, every=every)
        ready = in_background(batches, ahead=1)
        results = in_background(self._hands(ready), ahead=2 * size)
        with closing(read), closing(ready), closing(results):
            yield from results

    def _hands(self, batches: Iterator[list[Located | ValueError]]) -> Results:
        for batch in batches:
            frames = [item for item in batch if isinstance(item, Located)]
            results = iter(self._predict(frames))
            yield from (item if isinstance(item, ValueError) else next(results) for item in batch)

    def _predict(self, located: list[Located]) -> list[Result]:
        images, given = [one.frame.image for one in located], [one.given for one in located]
        try:
            hands = self.hand_pose.predict_hands(images, given)
        except ValueError as error:  # such as a prediction that is not finite
            if len(located) == 1:
                return [ValueError(f"{_name(located[0].frame)}: {error}")]
            return [result for one in located for result in self._predict([one])]
        return [(one.frame, own) for one, own in zip(located, hands, strict=True)]

    def _write(self, results: Results, outputs: Outputs, total: int | None) -> Done:
        done = Done(0, 0)
        with closing(results), closing(track(results, what="predicting", total=total)) as tracked:
            try:
                for result in tracked:
                    done = _sum(done, self._written(result, outputs))
                    if done.is_stopped:
                        break
            except KeyboardInterrupt:  # the way to end a camera; written files stay
                done = done._replace(is_stopped=True)
        if done.is_stopped:
            print("stopped")
        return done

    def _written(self, result: Result, outputs: Outputs) -> Done:
        try:
            if isinstance(result, ValueError):
                raise result
            frame, hands = result
            predicted = outputs.write(frame, hands)
        except ValueError as error:
            text = str(error) if isinstance(result, ValueError) else f"{_name(frame)}: {error}"
            print(f"skipped: {text}")
            return Done(0, 1)
        is_stopped = self.work.show is not None and self.work.show(predicted.drawing)
        return Done(1, 0, len(hands), tuple(hands[0].assumed) if hands else (), is_stopped)


def _followed(results: Results, tracker: Tracker) -> Results:
    for result in results:
        if isinstance(result, ValueError):
            yield result
            continue
        frame, hands = result
        assert frame.number is not None
        assert frame.time is not None
        yield frame, tracker.update(hands, frame=frame.number, time=frame.time)


def _sum(first: Done, second: Done) -> Done:
    return Done(
        first.written + second.written,
        first.skipped + second.skipped,
        first.hands + second.hands,
        first.assumed or second.assumed,
        first.is_stopped or second.is_stopped,
    )


def _name(frame: Frame) -> str:
    return frame.source if frame.number is None else f"{frame.source}, frame {frame.number}"
