"""The grades in one table and in words, for the notebooks and the report."""

import numpy as np
import pandas as pd

from helpers.grade import faithfulness, insertion, sanity
from helpers.grade.grading import TRUTH, Grades

SCORE, STANDING, LIKENESS, LOOKS, OTHER = "in − out", "to edges", "half-randomised", "SSIM", "other class"  # columns
FOUND = ["pointing", "mass", "rank"]
BETTER, WORSE, LEVEL, OWN = "better", "worse", "level", "–"
CHANCE, PASSING = insertion.RANDOM, sanity.PASSING
Said = list[tuple[str, dict[str, object]]]  # templates with their values
PANELS = [f"{kind}, {hidden}" for hidden in insertion.SUBSTRATES for kind in ("insertion", "deletion")]


def table(grades: Grades) -> pd.DataFrame:
    """Set out the grades, a row a method and baseline: means over images, and how each stands to the edge map."""
    frame = pd.DataFrame(index=pd.Index(grades.names, name="method"))
    means = grades.areas.mean(axis=-1)
    for place, kind in enumerate(insertion.SUBSTRATES):
        frame[f"in, {kind}"], frame[f"out, {kind}"] = means[:, place].T
    frame[SCORE] = grades.scores().mean(axis=1)
    frame[STANDING] = standing(grades)
    half = pd.DataFrame(grades.likeness[:, :, grades.half()].T, grades.methods, [LIKENESS, LOOKS])
    frame = frame.join(half).join(pd.Series(grades.sensitivity, grades.methods, name=OTHER))
    if grades.knows_truth():
        frame[FOUND] = np.nanmean(grades.truth, axis=-1).T
    return frame


def formats(frame: pd.DataFrame) -> dict[str, str]:
    """Say how the numbers of the table are shown, by column."""
    return {column: ".0%" if column in FOUND else ".2f" for column in frame.columns if column != STANDING}


def curves(grades: Grades) -> dict[str, np.ndarray]:
    """Give the mean curves over right and over wrong answers, where there are any: (M + 3, panels, steps + 1)."""
    flat = grades.curves.reshape(2, len(grades.names), len(PANELS), -1)
    places = {True: 0, False: 1}
    return {label: flat[places[right]] for label, right, _ in _groups(grades)}


def differences(grades: Grades) -> dict[str, pd.DataFrame]:
    """Compare insertion less deletion with that of the edge map, over right and over wrong answers.

    Returns by group a row a method and a baseline other than the edge map; columns value, low and high, the
    ends of the paired 95% interval.
    """
    found = {}
    for label, _, chosen in _groups(grades):
        gap = _gap_to_edges(grades, chosen)
        low, high = insertion.intervals(gap, seed=0)
        frame = pd.DataFrame({"value": gap.mean(axis=1), "low": low, "high": high}, index=grades.names)
        found[label] = frame.drop(insertion.EDGES)
    return found


def standing(grades: Grades) -> list[str]:
    """Say of each method and baseline whether it does better or worse than the edge map.

    By the paired 95% interval of insertion less deletion; level where the interval holds zero.
    """
    low, high = insertion.intervals(_gap_to_edges(grades, np.ones_like(grades.correct)), seed=0)
    found = np.where(low > 0, BETTER, np.where(high < 0, WORSE, LEVEL))
    return [OWN if name == insertion.EDGES else str(word) for name, word in zip(grades.names, found)]


def sentences(grades: Grades) -> Said:
    """Put the grades into words: templates with their values, for `Answer.say`."""
    frame, methods = table(grades), list(grades.methods)
    scores = frame.loc[methods, SCORE]
    said: Said = [
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
    said += _group_sentences(grades)
    said += _standing_sentences(frame.loc[methods, STANDING])
    said += _truth_sentences(grades)
    said += _randomised_sentences(frame.loc[methods])
    said.append(_sensitivity_sentence(frame.loc[methods, OTHER]))
    return said


def caption_values(grades: Grades, *methods: str) -> dict[str, object]:
    """Give the values of the template MAP_GRADES for the methods that a figure shows."""
    scores = dict(zip(grades.names, grades.scores().mean(axis=1), strict=True))
    likeness = dict(zip(grades.methods, grades.likeness[0, :, grades.half()], strict=True))
    return {
        "methods": list(methods),
        "scores": [float(scores[name]) for name in methods],
        "edges": float(scores[insertion.EDGES]),
        "likeness": [float(likeness[name]) for name in methods],
    }


def _group_sentences(grades: Grades) -> Said:
    """Say which method is best where the network was right, and which where it was wrong."""
    groups = {
        right: grades.scores()[: len(grades.methods), chosen].mean(axis=1) for _, right, chosen in _groups(grades)
    }
    if len(groups) < 2:
        return []
    right, wrong = groups[True], groups[False]
    template = (
        "Where the network was right, the best is {right} with {high:.2f}; where it was wrong, {wrong} with {low:.2f}."
    )
    named = {"right": str(grades.methods[right.argmax()]), "wrong": str(grades.methods[wrong.argmax()])}
    return [(template, {**named, "high": right.max(), "low": wrong.max()})]


def _standing_sentences(standings: pd.Series) -> Said:
    worse, level = (standings.index[standings == word].tolist() for word in (WORSE, LEVEL))
    said: Said = []
    if worse:
        template = "Worse than the edge map, which has seen no network, by insertion less deletion: {worse}."
        said.append((template, {"worse": worse}))
    if level:
        said.append(("Not to be told from the edge map: {level}.", {"level": level}))
    if not worse and not level:
        said.append(("All {count} methods do better than the edge map.", {"count": len(standings)}))
    return said


def _truth_sentences(grades: Grades) -> Said:
    """Say which methods find the evidence, and which do worse at it than the edge map."""
    if not grades.knows_truth():
        return []
    means = pd.DataFrame(np.nanmean(grades.truth, axis=-1).T, grades.names, [*TRUTH])
    mass = means["relevance mass"]
    methods = mass[list(grades.methods)]
    said: Said = [
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


def _randomised_sentences(frame: pd.DataFrame) -> Said:
    alike = frame[LIKENESS]
    failed = alike.index[alike >= sanity.PASSING].tolist()
    said: Said = []
    if failed:
        template = (
            "With the upper half of the network random, the maps of {failed} still correlate at {alike:.2f} with "
            "those of the trained one: they fail the check, and show the image rather than what was learned."
        )
        said.append((template, {"failed": failed, "alike": alike[failed].tolist()}))
    passed = alike.index[alike < sanity.PASSING]
    if len(passed):
        template = "{passed} of {count} methods pass it, with correlations of at most {most:.2f}."
        said.append((template, {"passed": len(passed), "count": len(alike), "most": alike[passed].max()}))
    return said


def _sensitivity_sentence(other: pd.Series) -> tuple[str, dict[str, object]]:
    return (
        "Asked about the runner-up instead of the predicted class, {blind} changes least (rank correlation {most:.2f}) "
        "and {keen} most ({least:.2f}).",
        {"blind": other.idxmax(), "most": other.max(), "keen": other.idxmin(), "least": other.min()},
    )


def _groups(grades: Grades) -> list[tuple[str, bool, np.ndarray]]:
    """List the groups of images that have at least two: label, whether the answers are right, and which images."""
    sides = {"right": grades.correct, "wrong": ~grades.correct}
    return [(f"{name} answers ({side.sum()})", name == "right", side) for name, side in sides.items() if side.sum() > 1]


def _gap_to_edges(grades: Grades, chosen: np.ndarray) -> np.ndarray:
    """Subtract the edge map's insertion less deletion from everyone's, image by image: (M + 3, chosen)."""
    scores = grades.scores()[:, chosen]
    return scores - scores[list(grades.names).index(insertion.EDGES)]
