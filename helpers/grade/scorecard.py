"""The grades in one table and in words, for the notebooks and the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.base import words
from helpers.base.words import Said, said
from helpers.explain.registry import OF_SUBSTRATE
from helpers.grade import confusion, faithfulness, insertion, sanity
from helpers.grade.grading import EVIDENCE, SAME_IMAGE, Grades, deciding
from helpers.grade.ranking import Leader, find_leader, kendalls_w, rank, resampled_ranks
from helpers.grade.regions import FEWEST

RANK, SPREAD, ALIKE, ENTROPY, OTHER = "mean rank", "± rank", ["signed", "magnitude"], "entropy", "other class"
FOUND = ["pointing", "mass", "|mass|", "rank"]
BETTER, WORSE, LEVEL, OWN = "better", "worse", "level", "–"
CHANCE, PASSING = insertion.RANDOM, sanity.PASSING
LEAST_FALL = 0.25  # of the answer's probability, that hiding all pixels takes away where hiding says anything of maps
KEPT = 0.05  # accuracy that may be lost with the evidence alone, for it to be called all that the network reads


def table(grades: Grades) -> pd.DataFrame:
    """Set out the grades, a row a method and baseline: means over images, settings and draws of random weights."""
    frame = pd.DataFrame(index=pd.Index(grades.names, name="method"))
    for place, kind in enumerate(grades.substrates):
        frame[f"gain, {kind}"] = grades.gains[:, place, -1, 0].mean(axis=-1)
    ranks = rank(_by_setting(grades).mean(axis=-1))
    frame[RANK], frame[SPREAD] = ranks.mean(axis=1), ranks.std(axis=1)
    frame[ALIKE] = _alike(grades).mean(axis=-1).T
    frame[ENTROPY] = _entropy_rise(grades).mean(axis=-1)
    frame = frame.join(pd.Series(grades.sensitivity.mean(axis=1), grades.methods, name=OTHER))
    if grades.knows_evidence():
        frame[FOUND] = np.nanmean(grades.evidence, axis=-1).T
    return frame


def formats(frame: pd.DataFrame) -> dict[str, str]:
    """Say how the numbers of the table are shown, by column."""
    own = dict.fromkeys(FOUND, ".0%") | dict.fromkeys([RANK, SPREAD], ".1f") | {ENTROPY: "+.0%"}
    return {column: own.get(column, ".2f") for column in frame.columns}


def panels(grades: Grades) -> list[Said]:
    """Name the curves of `curves`."""
    kinds = ("insertion", "deletion")
    hidden = [said(f"grades.panels.{name}") for name in grades.substrates]
    return [said("grades.panel", kind=kind, hidden=one) for one in hidden for kind in kinds]


def curves(grades: Grades) -> dict[Said, np.ndarray]:
    """Give the mean curves over right and over wrong answers, where there are any: (M + 3, panels, steps + 1)."""
    flat = grades.curves.reshape(2, len(grades.names), len(panels(grades)), -1)
    places = {True: 0, False: 1}
    return {label: flat[places[right]] for label, right, _ in _groups(grades)}


def differences(grades: Grades) -> dict[Said, pd.DataFrame]:
    """Compare the symmetric relevance gain with that of the edge map, over right and over wrong answers.

    Returns by group a row a method and a baseline other than the edge map; columns value, low and high, the
    ends of the paired 95% interval.
    """
    found = {}
    for label, _, chosen in _groups(grades):
        gap = _gap(grades, grades.scores()[:, chosen])
        low, high = insertion.intervals(gap, seed=0)
        frame = pd.DataFrame({"value": gap.mean(axis=1), "low": low, "high": high}, index=grades.names)
        found[label] = frame.drop(insertion.EDGES)
    return found


def cascade(grades: Grades) -> np.ndarray:
    """Give the likeness to the trained network's maps by form, method and depth, mean over the draws there are."""
    likeness = grades.likeness[:, : len(grades.methods)]
    draws = np.isfinite(likeness).sum(axis=2)
    return np.where(draws > 0, np.nansum(likeness, axis=2) / np.maximum(draws, 1), np.nan)


def standing(grades: Grades) -> pd.Series:
    """Say of each method and baseline whether it does better or worse than the edge map.

    By the paired 95% interval of the decisive gain; level where the interval holds zero, or where hiding pixels hardly
    changes the answer, whichever these are.
    """
    against = _against_zero(_gap(grades, grades.decisive())) if hides(grades) else [LEVEL] * len(grades.names)
    return pd.Series([OWN if n == insertion.EDGES else w for n, w in zip(grades.names, against)], grades.names)


def ends(grades: Grades) -> tuple[float, float]:
    """Give the answer's mean probability on whole images, and with all pixels hidden, by what decides."""
    # of any order of the pixels, over right and over wrong answers
    curves = grades.curves[:, 0, deciding(grades.substrates), 0].mean(axis=1)
    parts = np.array([grades.correct.mean(), 1 - grades.correct.mean()])
    return float(np.nansum(parts * curves[:, -1])), float(np.nansum(parts * curves[:, 0]))


def hides(grades: Grades) -> bool:
    """Say whether the answer hangs on the hidden pixels at all, or what hides them shows the class as well."""
    whole, bare = ends(grades)
    return whole - bare >= LEAST_FALL * whole


def hidden(grades: Grades) -> list[Said]:
    """Name what hides the pixels where methods are judged."""
    return [said(f"grades.hidden.{grades.substrates[place]}") for place in deciding(grades.substrates)]


def trusted(grades: Grades) -> list[str]:
    """Name the methods that do better than the edge map, and whose maps change with the weights, the best first."""
    return verdicts(grades)["trust"]


def verdicts(grades: Grades) -> dict[str, list[str]]:
    """Sort the methods by whether their maps can be trusted, each group with the highest decisive gain first.

    "trust": better than the edge map and not worse than a blob in the middle, and changed by random weights in the
    form in which it is drawn; "distrust": worse than the edge map, or not changed; "care": neither is shown.
    """
    forms = np.where(grades.signed, *sanity.verdicts(_alike(grades)))
    against, gains = standing(grades), grades.decisive()
    to_blob = _against_zero(gains - gains[list(grades.names).index(faithfulness.BLOB)])
    scores = gains.mean(axis=1)
    found: dict[str, list[str]] = {"trust": [], "care": [], "distrust": []}
    for place in np.argsort(-scores[: len(grades.methods)], kind="stable"):
        good = against.iloc[place] == BETTER and forms[place] == sanity.CHANGES and to_blob[place] != WORSE
        bad = against.iloc[place] == WORSE or forms[place] == sanity.STAYS
        found["trust" if good else "distrust" if bad else "care"].append(str(grades.names[place]))
    return found


def agreement(grades: Grades) -> dict[str, np.ndarray]:
    """Rank the methods, (M,) each, by the grades of each group: every substrate, and the evidence."""
    count = len(grades.methods)
    means = grades.gains[:count].mean(axis=-1)
    substrates = enumerate(grades.substrates)
    groups = {kind: rank(means[:, place].reshape(count, -1)).mean(axis=1) for place, kind in substrates}
    if grades.knows_evidence():
        groups["evidence"] = rank(np.nanmean(grades.evidence[:, :count], axis=-1).T).mean(axis=1)
    return {name: rank(-ranks) for name, ranks in groups.items()}


def sentences(grades: Grades) -> list[Said]:
    """Put the grades into words, the verdicts first."""
    verdict = [said(f"grades.{word}", methods=methods) for word, methods in verdicts(grades).items() if methods]
    if not hides(grades):
        whole, bare = ends(grades)
        verdict.insert(0, said("grades.shows_through", whole=whole, bare=bare, hidden=hidden(grades)))
    decided = [said("grades.decides")] if SAME_IMAGE in grades.substrates else []
    measured = [*decided, *_standing_sentences(grades), *_rank_sentences(grades), *_group_sentences(grades)]
    evidence = [*_proof_sentences(grades), *_evidence_sentences(grades)]
    return [*verdict, *measured, *evidence, *_randomised_sentences(grades), *_rival_sentences(grades)]


def drawn(grades: Grades) -> Said:
    """Name what evidence marks, and say so where the network is not proved to look there."""
    proved = any(one.key == "grades.proof" for one in _proof_sentences(grades))
    return said("grades.drawn" if proved else "grades.drawn_unproved")


def on_drawn(shares: np.ndarray, chance: np.ndarray, of: str | Said, where: Said) -> Said:
    """Say which share of something lies where the class is drawn, and whether that is more than chance gives.

    shares, chance: (N,), the share and the evidence's part of each image, nan where it has none; of: what is shared
    out; where: such as `drawn` gives. Fewer than regions.FEWEST images are not told from chance.
    """
    known = np.isfinite(shares)
    beyond, level = (shares - chance)[known], float(chance[known].mean())
    low, high = level + insertion.intervals(beyond, seed=0)
    told = "level" if len(beyond) < FEWEST else "more" if low > level else "less" if high < level else "level"
    values = {"share": level + beyond.mean(), "low": low, "high": high, "chance": level}
    return said(f"grades.on_drawn.{told}", of=of, where=where, **values)


def mean_gains(grades: Grades) -> pd.Series:
    """Give the symmetric relevance gain of each method and baseline by name, mean over substrates and images."""
    return pd.Series(grades.scores().mean(axis=1), grades.names)


def decisive_gains(grades: Grades) -> pd.Series:
    """Give the gain by which each method and baseline is judged, by name, mean over images."""
    return pd.Series(grades.decisive().mean(axis=1), grades.names)


def grades_of(grades: Grades, *methods: str) -> Said:
    """Say the grades of the methods that a figure shows, for its caption."""
    gains = mean_gains(grades)
    forms = np.where(grades.signed, *_alike(grades).mean(axis=-1))
    likeness = dict(zip(grades.names, forms, strict=True))
    each = [said("grades.of_map", name=name, score=gains[name], likeness=likeness[name]) for name in methods]
    return said("grades.of_maps", methods=each, edges=gains[insertion.EDGES])


def _say(key: str, leader: Leader, **values: Any) -> Said:
    """Say that the leader is first, or else that it cannot be told from others."""
    key = f"grades.{key}_tied" if leader.tied else f"grades.{key}"
    known = {"best": leader.name, "value": leader.value, "tied": leader.tied} | values
    return Said(key, {name: known[name] for name in sorted(words.fields(words.template(key)))})


def _rank_sentences(grades: Grades) -> list[Said]:
    """Say which method or baseline has the best mean rank, what its gain is, and how far several rankings agree."""
    by_setting = _by_setting(grades)
    mean = rank(by_setting.mean(axis=-1)).mean(axis=1)
    drawn = resampled_ranks(by_setting, seed=0)
    leader = find_leader(grades.names, -mean[:, np.newaxis], -drawn)
    hidden = [said(f"grades.hidden.{kind}") for kind in grades.substrates]
    settings: dict[str, Any] = {"substrates": hidden, "steps": list(insertion.STEP_COUNTS)}
    settings |= {"answers": list(insertion.ANSWERS), "settings": by_setting.shape[1], "images": len(grades.correct)}
    scores = mean_gains(grades)
    others = {"blob": scores[faithfulness.BLOB], "edges": scores[insertion.EDGES], "chance": scores[insertion.RANDOM]}
    found = [_say("first", leader, rank=-leader.value, count=len(grades.names), **settings)]
    found.append(said("grades.gains", score=scores[leader.name], **others))
    favoured = grades.names[np.isin(grades.baselines, [OF_SUBSTRATE, "image mean"])]
    if len(favoured):
        found.append(said("grades.favoured", favoured=favoured.tolist()))
    if SAME_IMAGE in grades.substrates:
        gains = grades.gains[:, list(grades.substrates).index(SAME_IMAGE), -1, 0]
        found.append(_say("same_image", find_leader(grades.names, gains)))
    groups = agreement(grades)
    if np.isfinite(alike := kendalls_w(np.stack([*groups.values()], axis=1))):
        names = [said(f"grades.hidden.{name}") for name in groups]
        found.append(said("grades.agreement", groups=names, agreement=alike, unrelated=1 / len(groups)))
    return found


def _group_sentences(grades: Grades) -> list[Said]:
    """Say which method or baseline is best where the network was right, and which where it was wrong."""
    groups, scores = _groups(grades), grades.scores()
    keys = {True: "right", False: "wrong"}
    each = [(keys[right], find_leader(grades.names, scores[:, chosen]), chosen.sum()) for _, right, chosen in groups]
    return [_say(key, leader, images=images) for key, leader, images in each] if len(groups) == 2 else []


def _standing_sentences(grades: Grades) -> list[Said]:
    standings = standing(grades)[list(grades.methods)]
    worse, level = (standings.index[standings == word].tolist() for word in (WORSE, LEVEL))
    found = [said("grades.worse", worse=worse)] if worse else []
    found += [said("grades.level", level=level)] if level else []
    return found or [said("grades.better", count=len(standings))]


def _proof_sentences(grades: Grades) -> list[Said]:
    """Say whether the network reads the class where it is drawn."""
    whole, without, kept = grades.proof[:, np.isfinite(grades.proof[0])]
    if not len(whole):
        return []
    known, found = (confusion.accuracy_interval(np.ones(len(whole)), right) for right in (whole, without))
    lost = insertion.intervals(whole - kept, seed=0)[1]
    proved = found.high <= grades.blind < known.low and lost <= KEPT
    values = {"images": len(whole), "whole": whole.mean(), "kept": kept.mean(), "blind": grades.blind}
    values |= {"without": found.value, "low": found.low, "high": found.high}
    return [Said("grades.proof" if proved else "grades.no_proof", values)]


def _evidence_sentences(grades: Grades) -> list[Said]:
    """Say which method finds the evidence, and which do worse at it than the edge map."""
    if not grades.knows_evidence():
        return []
    count, names = len(grades.methods), list(grades.names)
    mass = grades.evidence[list(EVIDENCE).index("relevance mass")][:, np.isfinite(grades.chance)]
    means = dict(zip(names, mass.mean(axis=1), strict=True))
    others = {"blob": means[faithfulness.BLOB], "edges": means[insertion.EDGES], "chance": np.nanmean(grades.chance)}
    others["images"] = mass.shape[1]
    found = [_say("mass", find_leader(grades.methods, mass[:count]), **others)]
    against = _against_zero(mass[:count] - mass[names.index(insertion.EDGES)])
    worse = [name for name, word in zip(names, against) if word == WORSE]
    return [*found, said("grades.mass_worse", worse=worse)] if worse else found


def _randomised_sentences(grades: Grades) -> list[Said]:
    """Say of which methods the maps change with the weights, of which they do not, and which are undecided."""
    count, alike = len(grades.methods), _alike(grades)
    verdict = sanity.verdicts(alike)[:, :count]
    stay, open_ = (verdict == sanity.STAYS), (verdict == sanity.UNDECIDED)
    failed = [_how_alike(grades, place, stay) for place in np.flatnonzero(stay.any(axis=0)).tolist()]
    only_open = np.flatnonzero(open_.any(axis=0) & ~stay.any(axis=0)).tolist()
    undecided = [_how_alike(grades, place, open_) for place in only_open]
    found = [said("grades.stays", draws=alike.shape[-1], failed=failed)] if failed else []
    found += [said("grades.undecided", undecided=undecided, draws=alike.shape[-1])] if undecided else []
    passed = (verdict == sanity.CHANGES).all(axis=0).sum()
    chance = alike[0, list(grades.names).index(insertion.RANDOM)].mean()
    return [*found, said("grades.changes", passed=passed, count=count, chance=chance)]


def _how_alike(grades: Grades, place: int, holds: np.ndarray) -> Said:
    """Name a method where something holds, and how alike its maps then stay at most, with the interval over draws."""
    draws = _alike(grades)[holds[:, place], place]
    draws = draws[draws.mean(axis=-1).argmax()]
    low, high = np.clip(sanity.interval(draws), -1, 1)  # what a correlation can be
    return said("grades.one_alike", name=_in_form(grades, place, holds), alike=draws.mean(), low=low, high=high)


def _in_form(grades: Grades, place: int, holds: np.ndarray) -> str | Said:
    """Name a method, and the form of its maps where something holds, (forms, methods) bool, for one alone."""
    forms = [form for form, so in zip(ALIKE, holds[:, place]) if so]
    name = str(grades.names[place])
    return name if len(forms) == len(ALIKE) else said("grades.in_form", name=name, form=forms[0])


def _rival_sentences(grades: Grades) -> list[Said]:
    leader = find_leader(grades.methods, grades.sensitivity)
    if leader.tied:
        return []
    own = grades.sensitivity[[*grades.methods].index(leader.name)]
    blind = insertion.intervals(own[np.newaxis], seed=0)[0].item() > PASSING
    return [_say("blind" if blind else "least_changed", leader)]


def _by_setting(grades: Grades) -> np.ndarray:
    """Give the gains, a row a method and baseline and a column a setting: (M + 3, settings, N)."""
    return grades.gains.reshape(len(grades.names), -1, grades.gains.shape[-1])


def _alike(grades: Grades) -> np.ndarray:
    """Give the likeness to the maps of the half-randomised network: (forms, M + 3, draws)."""
    return grades.likeness[..., grades.half()]


def _entropy_rise(grades: Grades) -> np.ndarray:
    before, after = grades.entropies
    return (after - before) / np.where(before > 0, before, 1)


def _against_zero(gaps: np.ndarray) -> list[str]:
    low, high = insertion.intervals(gaps, seed=0)
    return np.where(low > 0, BETTER, np.where(high < 0, WORSE, LEVEL)).tolist()


def _groups(grades: Grades) -> Sequence[tuple[Said, bool, np.ndarray]]:
    """List the groups of images that have at least two: label, whether the answers are right, and which images."""
    right = grades.correct
    sides = {"grades.right_answers": (True, right), "grades.wrong_answers": (False, ~right)}
    shown = {key: (known, side) for key, (known, side) in sides.items() if side.sum() > 1}
    return [(said(key, count=int(side.sum())), known, side) for key, (known, side) in shown.items()]


def _gap(grades: Grades, gains: np.ndarray) -> np.ndarray:
    """Subtract the edge map's gain from everyone's, image by image: (M + 3, images)."""
    return gains - gains[list(grades.names).index(insertion.EDGES)]
