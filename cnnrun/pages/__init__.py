"""Pages that readers open in a browser: of a comparison, and of a run."""

from cnnrun.pages.page import page
from cnnrun.pages.parts import PageCell, PageColumn, PageFigure, PageTable
from cnnrun.pages.run_page import run_page

__all__ = ["PageCell", "PageColumn", "PageFigure", "PageTable", "page", "run_page"]
