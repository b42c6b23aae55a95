"""Hand detectors: an image to the hands in it. One file per detector."""
