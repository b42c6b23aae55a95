"""The style sheet of all pages."""

from pathlib import Path

STYLESHEET = (Path(__file__).parent / "templates/style.css").read_text(encoding="utf-8")
