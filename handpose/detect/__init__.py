"""Hand detectors: an image to the hands in it. One file per detector."""

DEFAULT_MIN_SCORE = 0.3
DEFAULT_NUM_HANDS = 4
