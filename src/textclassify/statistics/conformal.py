"""Sets of labels that miss the gold answer no more often than promised, whatever the source is worth.

The promises are shares over the draw of both the guard rows and the new text. They hold exactly, for any number of
rows, when nothing else was learned from the guard rows and the new text comes from where they came from. Rows of one
cluster (copies of a text, one author's texts) are no independent evidence: each cluster counts once, its rows share
its weight, and the promise is made for a random text of a new cluster (hierarchical conformal prediction, Lee, Barber
and Willett 2023). With every row its own cluster that is plain split-conformal prediction.

Rows with NaN are not scored: nothing is learned from them, and they get no set.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.resampling import Interval, row_groups, wilson_interval

Floats = NDArray[np.float64]
Method = Literal["lac", "aps"]
# Sums of weights that are equal on paper may differ by this much.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class SetRule:
    """Which labels a text's set holds: those whose score is at most the label's threshold.

    Args:
        method: "lac": a label's score is 1 - its probability; "aps": the probability of all labels that are at least
            as likely.
        alpha: the share of misses that was promised.
        thresholds: (K,); infinite = the label is in every set, because there were too few rows to leave it out.
        evidence: (K,) how many clusters of guard rows stand behind each threshold.
        random_state: seed of the randomised form of "aps"; None = not randomised.

    """

    method: Method
    alpha: float
    thresholds: Floats
    evidence: NDArray[np.int64]
    random_state: int | None = None

    @property
    def always_included(self) -> NDArray[np.bool_]:
        """Which labels are in every set, (K,)."""
        return np.isposinf(self.thresholds)

    def apply(
        self, probabilities: ArrayLike, *, keys: ArrayLike | None = None, at_least_one: bool = False
    ) -> NDArray[np.bool_]:
        """Which labels are in each text's set, (n, K); rows with NaN hold nothing.

        `keys` are (n,) hashes of the texts, which the randomised form needs. `at_least_one` puts the most probable
        label into a set that would be empty: for one label per text; sets only grow, so the promise stays.
        """
        p = _probabilities(probabilities)
        if p.shape[1] != len(self.thresholds):
            raise DataError(f"probabilities {p.shape} do not fit {len(self.thresholds)} thresholds; pass (n, K)")
        sets = label_scores(p, self.method, keys=keys, random_state=self.random_state) <= self.thresholds + ROUNDING
        sets[np.isnan(p).any(axis=1)] = False
        if at_least_one:
            empty = np.flatnonzero(~sets.any(axis=1) & ~np.isnan(p).any(axis=1))
            sets[empty, np.argmax(p[empty], axis=1)] = True
        return np.asarray(sets)


def prediction_sets(
    probabilities: ArrayLike,
    gold: ArrayLike,
    *,
    alpha: float = 0.1,
    method: Method = "lac",
    class_conditional: bool = False,
    clusters: ArrayLike | None = None,
    keys: ArrayLike | None = None,
    random_state: int | None = None,
) -> SetRule:
    """The rule for sets that hold the gold label of at least 1 - alpha of the texts (one label per text).

    "lac" (Sadinle, Lei and Wasserman 2019) gives the smallest sets on average, small ones to easy and hard texts alike;
    "aps" (Romano, Sesia and Candes 2020) gives hard texts larger ones. Taken as it is, "aps" counts a label's own
    probability in full, so its sets are larger than they need to be. With `random_state` a random part of it counts,
    as in the paper, drawn from that seed and the text's key alone: sets are smaller and the promise is met more
    closely, at the price that of two texts with the same scores one may get a larger set by luck.

    `class_conditional` makes the promise for the texts of each label by themselves (Vovk 2012): a rare label is then
    not paid for by frequent ones. A label with fewer than 1 / alpha - 1 clusters of rows is in every set.

    Args:
        probabilities: (n, K).
        gold: (n,) label codes.
        alpha: share of texts whose set may miss.
        method: "lac" or "aps".
        class_conditional: promise it per label.
        clusters: (n,) rows that belong together; None = none do.
        keys: (n,) hashes of the texts; for `random_state`.
        random_state: seed of the randomised "aps".

    Raises:
        DataError: the rows are too few for any label, or do not fit together.

    """
    p, answers, groups, kept = _scored(probabilities, gold, clusters)
    if answers.ndim != 1:
        raise DataError("prediction sets are for one label per text; for 0/1 gold (n, K) use missed_label_sets")
    if random_state is not None and method != "aps":
        raise ConfigError(f"random_state={random_state} has no effect on method={method!r}; leave it out")
    used_keys = None if keys is None else np.asarray(keys)[kept]
    scores = label_scores(p, method, keys=used_keys, random_state=random_state)
    of_gold = scores[np.arange(len(answers)), answers]
    whole, n_labels = np.ones(len(answers)), p.shape[1]
    if class_conditional:
        of_label = [answers == k for k in range(n_labels)]
        learned = [_threshold(of_gold[rows], whole[rows], groups[rows], alpha) for rows in of_label]
    else:
        learned = [_threshold(of_gold, whole, groups, alpha)] * n_labels
    return _rule(method, alpha, learned, random_state)


def missed_label_sets(
    probabilities: ArrayLike,
    gold: ArrayLike,
    *,
    alpha: float = 0.1,
    class_conditional: bool = False,
    clusters: ArrayLike | None = None,
) -> SetRule:
    """The rule for sets that miss on average at most the share alpha of a text's gold labels (several labels per text).

    Conformal risk control (Angelopoulos et al. 2024) of that share, which only falls as sets grow: the
    highest threshold on the probability whose loss over the guard rows, with one more row counted as a complete miss,
    is at most alpha. The average is over texts that have a label: texts without one cannot miss any, and would let the
    others miss more. `class_conditional` promises for each label that at most alpha of the texts that have it miss it;
    a label on fewer than 1 / alpha - 1 clusters of rows is in every set.

    Args:
        probabilities: (n, K).
        gold: 0/1 (n, K).
        alpha: share of gold labels that may be missed.
        class_conditional: promise it per label.
        clusters: (n,) rows that belong together; None = none do.

    Raises:
        DataError: the rows are too few for any label, or do not fit together.

    """
    p, answers, groups, _ = _scored(probabilities, gold, clusters)
    if answers.ndim != 2:
        raise DataError("missed labels need 0/1 gold (n, K); for one label per text use prediction_sets")
    rows, labels = np.nonzero(answers)
    scores, n_labels = 1 - p[rows, labels], p.shape[1]
    if class_conditional:
        of_label = [labels == k for k in range(n_labels)]
        learned = [_threshold(scores[at], np.ones(at.sum()), groups[rows[at]], alpha) for at in of_label]
    else:
        share = 1 / answers.sum(axis=1)[rows]
        learned = [_threshold(scores, share, groups[rows], alpha)] * n_labels
    return _rule("lac", alpha, learned, None)


def label_scores(
    probabilities: Floats, method: Method, *, keys: ArrayLike | None = None, random_state: int | None = None
) -> Floats:
    """How little each label fits, (n, K): higher = less likely to be in a set."""
    if method not in get_args(Method):
        raise ConfigError(f"method={method!r} is unknown; choose 'lac' or 'aps'")
    if method == "lac":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    tied = np.zeros(ranked.shape, dtype=bool)
    tied[:, :-1] = ranked[:, :-1] == ranked[:, 1:]
    # Of labels that are equally likely each counts all of them: what comes first must not depend on the label's place.
    mass = np.where(tied, np.inf, np.cumsum(ranked, axis=1))
    mass = np.minimum.accumulate(mass[:, ::-1], axis=1)[:, ::-1]
    inclusive = np.empty_like(mass)
    np.put_along_axis(inclusive, order, mass, axis=1)
    if random_state is None:
        return inclusive
    if keys is None:
        raise DataError("the randomised sets are drawn by text; pass keys=row_ids, or random_state=None for fixed ones")
    return np.asarray(inclusive - (1 - _uniform(keys, random_state))[:, None] * probabilities)


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How often sets held the gold answer, with Wilson intervals; each cluster counts once.

    Args:
        overall: the share of texts whose set holds the gold label; for several labels the mean share of a text's gold
            labels that its set holds, over texts that have any.
        mean_size: labels per set.
        n_rows: texts that were judged.
        n_unscored: texts that have no set, because they were not scored; not judged.
        by_label: (K,) the same share over texts that have the label; NaN where there is none.
        rows_by_label: (K,) how many texts have the label.
        size_by_label: (K,) labels per set over these.

    """

    overall: Interval
    mean_size: float
    n_rows: int
    n_unscored: int
    by_label: tuple[Interval, ...]
    rows_by_label: NDArray[np.int64]
    size_by_label: Floats


def coverage(
    sets: ArrayLike,
    gold: ArrayLike,
    *,
    scored: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Coverage:
    """How often sets (n, K) hold the gold answers, overall and for each label.

    The intervals are Wilson's with clusters for rows; for shares between 0 and 1 they are wider than needed, because
    nothing varies more than hits and misses. `scored` (n,) tells which rows have a set; None = all.
    """
    held, answers = np.asarray(sets, dtype=bool), np.asarray(gold)
    judged = np.ones(len(held), dtype=bool) if scored is None else np.asarray(scored, dtype=bool)
    if held.ndim != 2 or len(answers) != len(held) or judged.shape != (len(held),):
        raise DataError(f"sets {held.shape} do not fit gold {answers.shape}; pass (n, K) for the same rows")
    is_gold = answers > 0 if answers.ndim == 2 else answers[:, None] == np.arange(held.shape[1])
    groups = np.arange(len(held)) if clusters is None else np.asarray(clusters)
    n_gold, hits, sizes = is_gold.sum(axis=1), (held & is_gold).sum(axis=1), held.sum(axis=1)
    found = hits / np.maximum(n_gold, 1)

    def share(values: NDArray[np.generic], rows: NDArray[np.bool_]) -> Interval:
        total, n_clusters = _total_by_cluster(values[rows], groups[rows])
        return wilson_interval(min(total, n_clusters), n_clusters, confidence=confidence)  # a sum may be a bit above

    def mean(rows: NDArray[np.bool_]) -> float:
        total, n_clusters = _total_by_cluster(sizes[rows], groups[rows])
        return total / n_clusters if n_clusters else float("nan")

    having = [judged & is_gold[:, k] for k in range(held.shape[1])]
    return Coverage(
        share(found, judged & (n_gold > 0)),
        mean(judged),
        int(judged.sum()),
        int((~judged).sum()),
        tuple(share(held[:, k], rows) for k, rows in enumerate(having)),
        np.asarray([rows.sum() for rows in having], dtype=np.int64),
        np.asarray([mean(rows) for rows in having]),
    )


def rows_needed(alpha: float) -> int:
    """The fewest clusters of rows for which anything but the whole label set can be promised."""
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha} is not between 0 and 1; 0.1 lets one set in ten miss")
    return int(np.ceil(1 / alpha - ROUNDING)) - 1


def _threshold(scores: Floats, share: Floats, groups: NDArray[np.generic], alpha: float) -> tuple[float, int]:
    """The lowest score that holds 1 - alpha of the weight, and how many clusters there are.

    Each of c clusters weighs 1 / (c + 1), divided among its rows by their `share`; the rest lies at infinity. With
    single rows it is the ceil((n + 1)(1 - alpha))-th smallest score.
    """
    if len(scores) == 0:
        return np.inf, 0
    inverse, n_clusters = row_groups(groups, len(scores))
    weight = share / np.bincount(inverse, weights=share)[inverse] / (n_clusters + 1)
    order = np.argsort(scores, kind="stable")
    enough = np.flatnonzero(np.cumsum(weight[order]) >= 1 - alpha - ROUNDING)
    return (float(scores[order[enough[0]]]) if len(enough) else np.inf), n_clusters


def _rule(method: Method, alpha: float, learned: list[tuple[float, int]], random_state: int | None) -> SetRule:
    needed = rows_needed(alpha)
    thresholds, evidence = (np.asarray(column) for column in zip(*learned, strict=True))
    rule = SetRule(method, alpha, thresholds, evidence, random_state)
    if rule.always_included.all():
        most = int(evidence.max())
        larger = f"pass alpha={_reachable(most)} or more, or " if most else ""
        raise DataError(
            f"alpha={alpha} needs {needed} guard rows that are no copies of each other (of one label, when promised by "
            f"label), there are {most}: every set would hold every label; {larger}label more rows"
        )
    return replace(rule, evidence=evidence.astype(np.int64))


def _reachable(n_clusters: int) -> float:
    """The smallest alpha, rounded up to three digits, that so many clusters support, of which there is one at least."""
    return float(np.ceil(1000 / (n_clusters + 1)) / 1000)


def _scored(
    probabilities: ArrayLike, gold: ArrayLike, clusters: ArrayLike | None
) -> tuple[Floats, NDArray[np.int64], NDArray[np.generic], NDArray[np.bool_]]:
    """Probabilities, gold and clusters of the rows without NaN, and which rows these are."""
    p, answers = _probabilities(probabilities), np.asarray(gold)
    fits = answers.shape == p.shape if answers.ndim == 2 else answers.shape == p.shape[:1]
    groups = np.arange(len(p)) if clusters is None else np.asarray(clusters)
    if not fits or groups.shape != p.shape[:1]:
        raise DataError(
            f"probabilities {p.shape}, gold {answers.shape} and clusters {groups.shape} do not fit; pass the same rows"
        )
    highest = 1 if answers.ndim == 2 else p.shape[1] - 1
    if answers.size and (answers.min() < 0 or answers.max() > highest):
        raise DataError(f"gold reaches from {answers.min()} to {answers.max()}; the probabilities allow 0..{highest}")
    kept = np.asarray(~np.isnan(p).any(axis=1))
    return p[kept], answers[kept].astype(np.int64), groups[kept], kept


def _probabilities(values: ArrayLike) -> Floats:
    p = np.asarray(values, dtype=np.float64)
    known = p[~np.isnan(p)]
    if p.ndim != 2 or (known.size and (known.min() < 0 or known.max() > 1 + 1e-6)):
        raise DataError(f"probabilities of shape {p.shape} must be (n, K) numbers from 0 to 1, or NaN; see scores")
    return p


def _total_by_cluster(values: NDArray[np.generic], groups: NDArray[np.generic]) -> tuple[float, int]:
    """Each cluster's mean, added up, and how many clusters there are."""
    if len(values) == 0:
        return 0.0, 0
    inverse, n_clusters = row_groups(groups, len(values))
    means = np.bincount(inverse, weights=values.astype(np.float64)) / np.bincount(inverse)
    return float(means.sum()), n_clusters


def _uniform(keys: ArrayLike, random_state: int) -> Floats:
    """A number from [0, 1) for each key, (n,), wherever the key stands (splitmix64, Steele, Lea and Flood 2014)."""
    start = np.uint64(random_state * 0x9E3779B97F4A7C15 % 2**64)
    mixed = np.atleast_1d(np.asarray(keys)).astype(np.uint64) + start
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)) / 2.0**53)
