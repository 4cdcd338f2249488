"""The grades in one table and in words, for the notebooks and the report."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import faithfulness, insertion, sanity
from helpers.grading import TRUTH, Grades

SCORE, LIKENESS, LOOKS, OTHER = "in − out", "half random", "SSIM", "other class"  # columns of the table
BETTER, WORSE, LEVEL, OWN = "better", "worse", "level", "–"

# Sentences about the grades; notebooks and captions share them.
CAPTION = (
    " Insertion less deletion: {scores:.2f} for {methods}, {edges:.2f} for the edge map. Rank correlation with the map "
    "of the half random network: {likeness:.2f}."
)


def table(grades: Grades) -> pd.DataFrame:
    """Set out the grades, a row a method and baseline: means over images, and how each stands to the edge map."""
    frame = pd.DataFrame(index=pd.Index(grades.names, name="method"))
    means = grades.areas.mean(axis=-1)
    for place, kind in enumerate(insertion.SUBSTRATES):
        frame[f"in, {kind}"], frame[f"out, {kind}"] = means[:, place].T
    frame[SCORE] = grades.scores().mean(axis=1)
    frame["to edges"] = standing(grades)
    half = pd.DataFrame(grades.likeness[:, :, grades.half()].T, grades.methods, [LIKENESS, LOOKS])
    frame = frame.join(half).join(pd.Series(grades.sensitivity, grades.methods, name=OTHER))
    if grades.knows_truth():
        frame[["pointing", "mass", "rank"]] = np.nanmean(grades.truth, axis=-1).T
    return frame


def by_answer(grades: Grades) -> pd.DataFrame:
    """Compare insertion less deletion where the network was right and where it was wrong, with 95% intervals.

    Returns a row a method and baseline; columns right, wrong, and for each low and high ends of the paired
    difference to the edge map. Without wrong answers, or right ones, their columns are nan.
    """
    frame = pd.DataFrame(index=pd.Index(grades.names, name="method"))
    for name, chosen in {"right": grades.correct, "wrong": ~grades.correct}.items():
        scores = grades.scores()[:, chosen]
        frame[name] = scores.mean(axis=1) if chosen.any() else np.nan
        frame[f"{name} low"], frame[f"{name} high"] = _difference_to_edges(grades, chosen)
    return frame


def standing(grades: Grades) -> list[str]:
    """Say of each method and baseline whether it does better or worse than the edge map.

    By the paired 95% interval of insertion less deletion; level where the interval holds zero.
    """
    low, high = _difference_to_edges(grades, np.ones_like(grades.correct))
    found = np.where(low > 0, BETTER, np.where(high < 0, WORSE, LEVEL))
    return [OWN if name == insertion.EDGES else str(word) for name, word in zip(grades.names, found)]


def sentences(grades: Grades) -> list[tuple[str, dict[str, object]]]:
    """Put the grades into words: templates with their values, for `Answer.say`."""
    frame, methods = table(grades), list(grades.methods)
    scores = frame.loc[methods, SCORE]
    said: list[tuple[str, dict[str, object]]] = [
        (
            "By insertion less deletion over {images} test images, {best} is the best of {count} methods with "
            "{score:.2f}; a centred Gaussian gets {blob:.2f}, the edge map {edges:.2f}, a random order {chance:.2f}.",
            {
                "images": len(grades.correct),
                "best": scores.idxmax(),
                "count": len(methods),
                "score": scores.max(),
                "blob": frame.loc[faithfulness.BLOB, SCORE],
                "edges": frame.loc[insertion.EDGES, SCORE],
                "chance": frame.loc[insertion.RANDOM, SCORE],
            },
        )
    ]
    said += _standing_sentences(frame.loc[methods, "to edges"])
    said += _truth_sentences(grades)
    said += _randomised_sentences(frame.loc[methods])
    said.append(_sensitivity_sentence(frame.loc[methods, OTHER]))
    return said


def caption_values(frame: pd.DataFrame, methods: Sequence[str]) -> dict[str, object]:
    """Give the values of CAPTION for the methods that a figure shows; frame: the table of grades."""
    shown = frame.loc[list(methods)]
    return {
        "methods": list(methods),
        "scores": shown[SCORE].tolist(),
        "edges": frame.loc[insertion.EDGES, SCORE],
        "likeness": shown[LIKENESS].tolist(),
    }


def _standing_sentences(standings: pd.Series) -> list[tuple[str, dict[str, object]]]:
    worse, level = (standings.index[standings == word].tolist() for word in (WORSE, LEVEL))
    said: list[tuple[str, dict[str, object]]] = []
    if worse:
        said.append(
            (
                "Worse than the edge map, which has seen no network, by insertion less deletion: {worse}.",
                {"worse": worse},
            )
        )
    if level:
        said.append(("Not to be told from the edge map: {level}.", {"level": level}))
    if not worse and not level:
        said.append(("All {count} methods do better than the edge map.", {"count": len(standings)}))
    return said


def _truth_sentences(grades: Grades) -> list[tuple[str, dict[str, object]]]:
    """Say which methods find the evidence, and which do worse at it than the edge map."""
    if not grades.knows_truth():
        return []
    means = pd.DataFrame(np.nanmean(grades.truth, axis=-1).T, grades.names, [*TRUTH])
    mass = means["relevance mass"]
    methods = mass[list(grades.methods)]
    said: list[tuple[str, dict[str, object]]] = [
        (
            "The largest share of the relevance lies on the evidence with {best}: {share:.0%}; a centred Gaussian gets "
            "{blob:.0%}, the edge map {edges:.0%}, and chance gives {chance:.0%}.",
            {
                "best": methods.idxmax(),
                "share": methods.max(),
                "blob": mass[faithfulness.BLOB],
                "edges": mass[insertion.EDGES],
                "chance": np.nanmean(grades.chance),
            },
        )
    ]
    worse = methods.index[methods < mass[insertion.EDGES]].tolist()
    template = "In relevance mass these do worse than the edge map: {worse}."
    return [*said, (template, {"worse": worse})] if worse else said


def _randomised_sentences(frame: pd.DataFrame) -> list[tuple[str, dict[str, object]]]:
    alike = frame[LIKENESS]
    failed = alike.index[alike >= sanity.PASSING].tolist()
    said: list[tuple[str, dict[str, object]]] = []
    if failed:
        said.append(
            (
                "With the upper half of the network random, the maps of {failed} still correlate at {alike:.2f} with "
                "those of the trained one: they fail the check, and show the image rather than what was learned.",
                {"failed": failed, "alike": alike[failed].tolist()},
            )
        )
    passed = alike.index[alike < sanity.PASSING]
    if len(passed):
        said.append(
            (
                "{passed} of {count} methods pass it, with correlations of at most {most:.2f}.",
                {"passed": len(passed), "count": len(alike), "most": alike[passed].max()},
            )
        )
    return said


def _sensitivity_sentence(other: pd.Series) -> tuple[str, dict[str, object]]:
    return (
        "Asked about the runner-up instead of the predicted class, {blind} changes least (rank correlation {most:.2f}) "
        "and {keen} most ({least:.2f}).",
        {"blind": other.idxmax(), "most": other.max(), "keen": other.idxmin(), "least": other.min()},
    )


def _difference_to_edges(grades: Grades, chosen: np.ndarray) -> np.ndarray:
    """Give the paired 95% intervals of the difference to the edge map over some images: (2, M + 3)."""
    scores = grades.scores()[:, chosen]
    if scores.shape[1] < 2:
        return np.full((2, len(scores)), np.nan)
    edges = scores[list(grades.names).index(insertion.EDGES)]
    return insertion.intervals(scores - edges, seed=0)
