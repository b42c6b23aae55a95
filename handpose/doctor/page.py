"""doctor.html: a diagnosis on one page."""

from handpose.data.base import SPLITS
from handpose.doctor.cells import source_lines, split_cells
from handpose.doctor.contact_sheet import as_address
from handpose.doctor.diagnosis import Diagnosis
from handpose.report.html import render
from handpose.report.style import FINGER_COLOURS


def render_page(diagnosis: Diagnosis, *, command: str) -> str:
    """Renders the page.

    Args:
        diagnosis: what was found.
        command: the command line.
    """
    return render(
        "doctor/doctor.html.jinja",
        title=" + ".join(dict.fromkeys(source.name for source in diagnosis.sources)),
        command=command,
        diagnosis=diagnosis,
        source_lines=source_lines,
        split_cells=split_cells,
        splits=SPLITS,
        finger_colours=FINGER_COLOURS,
        as_address=as_address,
    )
