"""How much of a LIME explanation is chance: the same images explained with several seeds, samples and cuts."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import combinations
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from helpers.base.words import Said, said
from helpers.explain import superpixels
from helpers.grade import insertion
from helpers.networks.inference import bfloat16
from helpers.networks.inference import gains_by_bfloat16 as gains_by_bfloat16

SAMPLES = (250, 500, 1000)
SEGMENTS = (25, 50, 100)
FORMATS = {"found": ".0f", "rank correlation": ".2f", "overlap": ".0%", "chance": ".0%", "flips": ".0%", "r2": ".2f"}
FEWEST = 50  # images from which an overlap is told
STABLE = 0.9  # rank correlation between two seeds from which more samples are not worth their time


def study(
    model: keras.Model,
    images: np.ndarray,
    labels: Sequence[int],
    seeds: Sequence[int],
    *,
    samples: Sequence[int] = SAMPLES,
    segments: Sequence[int] = SEGMENTS,
    compactness: float = 0.1,
    fill: str = "image mean",
    top: int = 5,
) -> pd.DataFrame:
    """Explain images with several seeds, numbers of copies and cuts, and measure what the seeds agree on.

    images: (N, H, W, C) uint8; labels: (N,) int, the class explained; seeds: at least two; samples: numbers of
    copies, ascending; segments: superpixels asked for; the others as in `superpixels.explain_labels`. The copies of a
    smaller number are the first of the larger one, so that a seed costs one set of passes. Returns a row a cut and
    number of copies, with means over images and pairs of seeds: found, the superpixels; rank correlation of their
    weights; overlap of the `top` strongest, and chance, what two blind choices share; flips, the share of superpixels
    that change sign; r2.
    """
    rows = []
    for wanted in segments:
        fits = [
            explain_often(model, image, int(label), seeds, samples, wanted, compactness, fill)
            for image, label in zip(images, labels, strict=True)
        ]
        for place, count in enumerate(samples):
            agreed = [_agreement(weights[:, place], r2[:, place], top) for weights, r2 in fits]
            measured = pd.DataFrame(agreed).mean()
            rows.append({"segments": wanted, "samples": count, **measured})
    return pd.DataFrame(rows)


def choose(table: pd.DataFrame) -> tuple[int, int]:
    """Choose samples and segments by a study: the cut whose linear fit explains most among those that are stable.

    A cut is stable with the fewest samples at which two seeds' rank correlation reaches STABLE. Where none does,
    the most stable row is chosen. Returns samples and segments.
    """
    stable = table[table["rank correlation"] >= STABLE]
    if stable.empty:
        best = table.iloc[table["rank correlation"].argmax()]
    else:
        fewest = stable.sort_values("samples").drop_duplicates("segments")
        best = fewest.iloc[fewest["r2"].argmax()]
    return int(best["samples"]), int(best["segments"])


def stability(table: pd.DataFrame, samples: int, segments: int) -> Said:
    """Say how far explanations made so, or with the nearest setting that was studied, can be trusted."""
    distance = np.abs(np.log(table["samples"] / samples)) + np.abs(np.log(table["segments"] / segments))
    nearest = table.loc[distance.idxmin()]
    values = {"copies": int(nearest["samples"]), "cut": int(nearest["segments"])}
    values |= {"correlation": nearest["rank correlation"], "fit": nearest["r2"]}
    if (values["copies"], values["cut"]) == (samples, segments):
        return said("lime.stability", **values)
    return said("lime.stability_near", samples=samples, segments=segments, **values)


def sentences(table: pd.DataFrame, samples: int, segments: int) -> list[Said]:
    """Say how stable the explanations in use are, and whether the study would choose them."""
    wanted, cut = choose(table)
    chosen = table[(table["samples"] == wanted) & (table["segments"] == cut)].iloc[0]
    measured = {name: float(chosen[name]) for name in ("overlap", "chance", "flips", "r2")}
    correlation = float(chosen["rank correlation"])
    told = [said("lime.chosen", samples=wanted, segments=cut, correlation=correlation, **measured)]
    if correlation < STABLE:
        told.append(said("lime.unstable", stable=STABLE))
    if (wanted, cut) == (samples, segments):
        return [*told, said("lime.in_use")]
    return [*told, said("lime.not_in_use", samples=samples, segments=segments)]


def explain_often(
    model: keras.Model,
    image: np.ndarray,
    label: int,
    seeds: Sequence[int],
    samples: Sequence[int] = SAMPLES,
    segments: int = 50,
    compactness: float = 0.1,
    fill: str = "image mean",
    precision: Callable[[keras.Model], AbstractContextManager[object]] = bfloat16,
) -> tuple[np.ndarray, np.ndarray]:
    """Explain one class of one image (H, W, C) uint8 with several seeds, on the first 250, 1000, ... copies of each.

    precision: what the network runs in; others as in `superpixels.explain_labels`.
    Returns the weights (seeds, sample counts, superpixels) and the R2 (seeds, sample counts), both float64.
    """
    cut = superpixels.segment(image, segments, compactness)
    hidden = superpixels.fill_image(image, cut, fill)
    weights, r2 = [], []
    for seed in seeds:
        keep = superpixels.draw_copies(seed, max(samples), cut.max() + 1)
        with precision(model):
            answers = superpixels.copy_logits(model, image, hidden, cut, keep)[:, label]
        found = [superpixels.fit_weights(keep[:count], answers[:count]) for count in samples]
        weights.append([pair[0] for pair in found])
        r2.append([pair[1] for pair in found])
    return np.array(weights), np.array(r2)


def compare_precisions(
    model: keras.Model,
    images: np.ndarray,
    labels: Sequence[int],
    seed: int,
    samples: int,
    segments: int,
    **options: Any,
) -> np.ndarray:
    """Correlate the weights in bfloat16, in which the study runs, with those in float32, image by image: (N,), -1..1.

    images: (N, H, W, C) uint8; labels: (N,) int; options: as `explain_often` takes them. Both are fitted to the same
    copies.
    """
    found = []
    for image, label in zip(images, labels, strict=True):
        task = model, image, int(label), [seed], [samples], segments
        low, full = (explain_often(*task, **options, precision=one)[0][0, 0] for one in (bfloat16, nullcontext))
        found.append(_rank_correlation(low, full))
    return np.array(found)


def overlap_table(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Average `superpixels.overlaps` over images, with bootstrap intervals that hold all at once with 95% (Bonferroni).

    Returns a row a pair of sides: own, rival, images, overlap, chance, low and high, where overlap and the interval's
    ends lie above chance by what is more than it.
    """
    rows, level = [], 1 - 0.05 / len(superpixels.SIDES) ** 2
    for (own, rival), found in overlaps.dropna().groupby(["own", "rival"], sort=False):
        chance = found["chance"].mean()
        low, high = chance + insertion.intervals((found["overlap"] - found["chance"]).to_numpy(), 0, level=level)
        rows.append((own, rival, len(found), found["overlap"].mean(), chance, low, high))
    return pd.DataFrame(rows, columns=["own", "rival", "images", "overlap", "chance", "low", "high"])


def rival_sentences(overlaps: pd.DataFrame, name: str, rival: str) -> list[Said]:
    """Say which superpixels of a class are those of its rival, where enough images say so, the most telling first.

    overlaps: what `superpixels.overlaps` gives. Nothing is said of a pair of sides with fewer than FEWEST images, or
    whose interval holds chance. What speaks for the class may speak for the rival in some places or images and against
    it in others: which of the two follows is said only of what is surely the more.
    """
    told: list[Said] = []
    table, prevails = overlap_table(overlaps), _prevailing(overlaps)
    table["far"] = (table["overlap"] - table["chance"]).abs()
    for row in table[table["images"] >= FEWEST].sort_values("far", ascending=False, kind="stable").to_dict("records"):
        more = "more" if row["low"] > row["chance"] else "less" if row["high"] < row["chance"] else ""
        if more:
            shared = said("lime.shared", **{key: row[key] for key in ("overlap", "low", "high", "chance", "images")})
            values, sides = {"name": name, "rival": rival, "shared": shared}, f"{row['own']}_{row['rival']}"
            if more == "more" and sides in prevails:
                told.insert(0, said(f"lime.concluded.{sides}", **values, **prevails[sides]))
            else:
                told.append(said(f"lime.rivals.{sides}_{more}", **values))
    return told


def _prevailing(overlaps: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Name what the superpixels for a class do more to its rival, speak for it or against it, where that is sure.

    By the paired 95% interval of the difference, beyond what blind choices share, over at least FEWEST images; its
    ends are least and most.
    """
    beyond = overlaps.assign(beyond=overlaps["overlap"] - overlaps["chance"])[overlaps["own"] == "for"]
    both = beyond.pivot(index="image", columns="rival", values="beyond").dropna()
    if len(both) < FEWEST:
        return {}
    low, high = insertion.intervals((both["for"] - both["against"]).to_numpy(), 0)
    found = {"for_for": {"least": low, "most": high}, "for_against": {"least": -high, "most": -low}}
    return {sides: ends for sides, ends in found.items() if ends["least"] > 0}


def _agreement(weights: np.ndarray, r2: np.ndarray, top: int) -> dict[str, float]:
    count = weights.shape[1]
    pairs = list(combinations(weights, 2))
    strongest = [set(np.argsort(-one, kind="stable")[:top]) for one in weights]
    shared = [len(first & second) for first, second in combinations(strongest, 2)]
    return {
        "found": count,
        "rank correlation": float(np.mean([_rank_correlation(*pair) for pair in pairs])),
        "overlap": float(np.mean(shared)) / min(top, count),
        "chance": min(top, count) / count,
        "flips": float(np.mean([(np.sign(first) != np.sign(second)).mean() for first, second in pairs])),
        "r2": float(r2.mean()),
    }


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    even = min(np.ptp(first), np.ptp(second)) == 0
    return 0.0 if even else float(spearmanr(first, second).statistic)
