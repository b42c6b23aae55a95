"""The local page that shows augmentations and results: what it draws, and how it is served."""

import os

# Read when Gradio is imported: the page reports nothing to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
