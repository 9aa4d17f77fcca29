"""The command that repeats the published benchmarks: its figures are those of the cells, and its smallest cell runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .run import ALL_ROWS, main, published_figure

DATA = Path(os.environ.get("TEXTCLASSIFY_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_published_figures_are_found_by_rows():
    """The paper names rows, the recordings name shares of 4,000."""
    assert ALL_ROWS == 4000
    assert published_figure("ag_news", 20) == 0.922
    assert published_figure("reuters", 100) == 0.923
    assert published_figure("goemotions", 100) is None


def test_without_a_folder_for_its_scores_live_says_so(capsys: pytest.CaptureFixture[str]):
    """Hours of work would be lost."""
    with pytest.raises(SystemExit):
        main(["--live"])

    assert "--cache" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "recorded").is_dir(), reason="needs the public data")
def test_the_smallest_cell_stands_beside_what_was_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """AG News at 20%: the published fusion has 0.922, its recorded answers to these rows are a figure of their own."""
    out = tmp_path / "evaluation.json"

    main(["--data", str(DATA), "--dataset", "ag_news", "--percent", "20", "--out", str(out), "--work", str(tmp_path)])
    (line,) = json.loads(out.read_text(encoding="utf-8"))

    assert line["published"] == 0.922
    assert line["fusion"][1] <= line["fusion"][0] <= line["fusion"][2]
    assert line["fusion"][0] > 0.85
    assert "ag_news: accuracy" in capsys.readouterr().out
    assert list(tmp_path.glob("agnews_020_*.json")), "a second run would do it again"
