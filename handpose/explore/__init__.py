"""The local page that shows augmentations and results."""

import os

# Gradio reads it at import: the page sends no usage data.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

FRAGMENTS = "explore/fragments.html.jinja"
