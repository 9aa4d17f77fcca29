"""Whether scores are of the kind that a fusion was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textclassify.core.scales import Scale
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.texts import did_you_mean, listed
from textclassify.ensemble.combining.rows import FusionRows, aligned
from textclassify.errors import ScoresError

_KINDS = {True: "multi-label", False: "single-label"}


def known_sources(sources: Mapping[str, Scores], rows: FusionRows, names: Sequence[str]) -> dict[str, Scores]:
    """Return the sources that a fusion of these rows can use, once they are known to fit together and to it.

    Args:
        sources: {name: Scores} to be fused.
        rows: what the fusion was fitted on.
        names: of all sources that were given to it, also of those that had no scores to learn from.

    Raises:
        ScoresError: they do not fit, or one is unknown to the fusion.

    """
    known = aligned(sources)
    name, first = next(iter(known.items()))
    check_same_labels(rows.labels, first.labels, name)
    if first.multi_label != rows.multi_label:
        raise ScoresError(
            f"source {name!r} is {_KINDS[first.multi_label]} and the fusion is {_KINDS[rows.multi_label]}; "
            f"pass multi_label={rows.multi_label} to Scores.from_probabilities or from_votes"
        )
    for name, scores in known.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise ScoresError(f"the fusion was not fitted with a source {name!r}{hint}; it knows {listed(names)}")
        _check_same_kind(name, rows.sources.get(name), scores)
    return {name: scores for name, scores in known.items() if name in rows.sources} or known


def _check_same_kind(name: str, learned: Scores | None, scores: Scores) -> None:
    """Refuse probabilities where votes were learned from, and the other way round: they are read differently."""
    votes = Scale.VOTE_SHARE
    if learned is not None and scores.answered.any() and (learned.scale is votes) != (scores.scale is votes):
        raise ScoresError(
            f"source {name!r} gave {learned.scale.value} in fitting and gives {scores.scale.value} now; "
            "pass scores made in the same way"
        )
