"""The review page: one HTML file with every finding, to be accepted or rejected, and a patch to download.

`combining` finds out which repairs share lines and what each choice of them makes of these; `rows`
lays a diff out side by side; `picture` draws a path; `document` puts the page together.
"""

from __future__ import annotations

from fixgrad.errors import FixgradError
from fixgrad.patching import plan_patches
from fixgrad.report.entry import Report

EXTRA = "pip install 'fixgrad[review]'"

__all__ = ["EXTRA", "render"]


def render(report: Report) -> str:
    """Return the page."""
    try:
        import jinja2  # noqa: F401, PLC0415
        import pygments  # noqa: F401, PLC0415
    except ImportError as error:
        raise FixgradError(f"--report needs jinja2 and pygments: {EXTRA}") from error
    from fixgrad.page.document import document  # noqa: PLC0415  (it needs both)

    return document(report, plan_patches)
