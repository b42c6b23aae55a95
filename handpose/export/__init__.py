"""A trained model for other programs: an ONNX graph, and a card that says what it is."""

from handpose.export.run import ExportedRun, export_run

__all__ = ["ExportedRun", "export_run"]
