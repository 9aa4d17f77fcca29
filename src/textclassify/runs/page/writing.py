"""`write_page`: a run's report as one file of HTML, which needs no network and runs no code but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from textclassify import __version__
from textclassify.errors import StorageError
from textclassify.runs.page import label_sections, quality_sections, run_sections
from textclassify.runs.page.blocks import Drawing, Section, percent
from textclassify.runs.page.inline_svg import inline_svg
from textclassify.runs.page.rows import embedded_rows
from textclassify.runs.plots import plots_of, write_plots
from textclassify.runs.run_view import RecordedRun, RunView
from textclassify.runs.systems import METRIC_NAMES

if TYPE_CHECKING:
    from jinja2 import Template

PAGE_FILE = "report.html"
PLOTS_FOLDER = "plots"
MOST_BYTES = 2_000_000
"""Size of a page; texts of rows are cut to keep it."""
_FOLDER = Path(__file__).parent
_ROWS_HERE = "<!--rows-->"
"""Where the compressed rows go; text in a page is escaped, so that this stands in it once."""


def write_page(run: RecordedRun, *, path: str | Path | None = None, plots: bool = False) -> Path:
    """Return the path of a run's report, one HTML file of less than 2 MB that holds everything it shows.

    Args:
        run: with its predictions; gold answers and an evaluation are shown where they are known.
        path: of the file; None = `report.html` in the run's folder.
        plots: whether to write the figures as PNG and SVG as well, into the folder `plots` beside the file.

    Raises:
        StorageError: the file cannot be written.

    """
    path = Path(run.folder) / PAGE_FILE if path is None else Path(path)
    view = RunView.of(run)
    page = page_of(view)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise StorageError(
            f"cannot write the report to {str(path)!r}: {error.strerror}; name a file that you may write to"
        ) from error
    if plots:
        write_plots(view, path.parent / PLOTS_FOLDER)
    return path


def page_of(view: RunView) -> str:
    """Return the whole page as text."""
    sections = _sections(view)
    script, style = _source("page.js"), _source("page.css")
    known: dict[str, Any] = {
        "view": view,
        "sections": sections,
        "about": _about(view),
        "script": Markup(script),  # noqa: S704 - files of this package
        "style": Markup(style),  # noqa: S704
        "script_hash": _content_hash(script),
        "style_hash": _content_hash(style),
        "rows_here": Markup(_ROWS_HERE),  # noqa: S704
        "asked_known": bool(view.asked.any()) and not bool(view.asked.all()),
    }
    bare = _template().render(known, rows_note="")
    rows = embedded_rows(view, MOST_BYTES - len(bare.encode("utf-8", "replace")) - 2_000)
    page = _template().render(known, rows_note=rows.words)
    data = (
        f'<script type="text/plain" id="row-columns">{rows.columns}</script>\n'
        f'<script type="text/plain" id="row-texts">{rows.texts}</script>'
    )
    return page.replace(_ROWS_HERE, data, 1)


def _sections(view: RunView) -> tuple[list[Section], list[Section]]:
    """Return what stands before the rows and what stands after them."""
    drawings = _drawings(view)
    before = [
        quality_sections.headline(view),
        quality_sections.sources(view, drawings),
        run_sections.calls(view, drawings),
        quality_sections.calibration(view, drawings),
        label_sections.confused(view),
        label_sections.each_label(view),
        quality_sections.coverage(view, drawings),
        quality_sections.levels(view),
        quality_sections.disagreements(view),
        label_sections.suspects(view),
    ]
    after = [run_sections.costs(view), run_sections.reproduction(view)]
    return [one for one in before if one is not None], [one for one in after if one is not None]


def _drawings(view: RunView) -> Mapping[str, Drawing]:
    words = _in_words(view)
    return {
        name: Drawing(inline_svg(figure, name, words[name]), words[name])
        for name, figure in plots_of(view).items()
        if name in words
    }


def _in_words(view: RunView) -> dict[str, str]:
    """Return what each figure shows, for those who do not see it; the confusion matrix is a table in a page."""
    metric = METRIC_NAMES["micro_f1" if view.schema.multi_label else "accuracy"]
    metric = f"{metric[:1].upper()}{metric[1:]}"
    wrong = percent(float((~view.correct[view.known]).mean())) if view.has_gold else "n/a"
    return {
        "sources": f"{metric} of each system with its 95% interval; dashed: {view.first.name}",
        "cost_curve": f"{metric} by the share of texts that the model is asked about, with its 95% interval",
        "reliability": "Share of claims that came true by how sure they were, with 95% intervals",
        "coverage_risk": f"Share of wrong answers by share of texts answered; answering all, {wrong} are wrong",
    }


def _about(view: RunView) -> str:
    facts = view.facts
    labels = f"{len(view.schema):,} labels{', any number per text' if view.schema.multi_label else ''}"
    parts = [str(facts.get("status") or ""), f"{len(view):,} texts", labels]
    parts += [str(facts["started"])[:16].replace("T", " ") + " UTC"] if facts.get("started") else []
    return " · ".join(part for part in [*parts, f"textclassify {__version__}"] if part)


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


@cache
def _source(name: str) -> str:
    """Return a file of the page, as it stands between its tags."""
    return f"\n{(_FOLDER / name).read_text(encoding='utf-8')}"


def _content_hash(content: str) -> str:
    """Return what a content security policy knows a script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
