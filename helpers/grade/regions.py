"""Which named regions a network looks at: shares of the relevance against shares of the area, and in words."""

from collections.abc import Mapping, Sequence
from functools import partial, reduce

import numpy as np
import pandas as pd
from scipy.stats import t, ttest_ind

from helpers.base.words import Said, said
from helpers.explain.regions import LANDMARKS, PLACES
from helpers.explain.regions import Regions as Regions
from helpers.explain.regions import find_regions as find_regions
from helpers.explain.regions import shares as shares
from helpers.explain.regions import spread_weights as spread_weights
from helpers.explain.regions import superpixel_regions as superpixel_regions
from helpers.grade.faithfulness import Measured
from helpers.grade.insertion import resampled_means

FEWEST = 10  # images of a group, below which nothing is said of it
NAMED = 3  # most regions of a group, or classes of a filter, that a sentence names, the first ones
_COLUMNS = ["group", "region", "images", "share", "area", "ratio", "low", "high", "stands_out"]
FORMATS = dict.fromkeys(["share", "area"], ".0%") | dict.fromkeys(["ratio", "low", "high"], ".2f")
ALIGNED = 0.5  # alignment from which a pattern is called lines: midway from no direction to one alone


def attention(held: np.ndarray, areas: np.ndarray, names: Sequence[str], groups: np.ndarray) -> pd.DataFrame:
    """Set the share that regions hold of the relevance against their share of the area, by group of images.

    held, areas: (N, regions), as `shares` and `Regions.areas` give them, an image without relevance nan; names: of the
    regions; groups: (N,). Returns a row a group and region: group, region, images, share, area, ratio, and low and
    high, the ends of bootstrap intervals of the ratio that hold all at once with 95% (Bonferroni); a region stands out
    where its interval lies above 1, of a group with FEWEST images.
    """
    known = np.isfinite(held).all(axis=1)
    parts = []
    for group in dict.fromkeys(groups.tolist()):
        own = known & (groups == group)
        if own.sum() < 2:
            continue
        both = np.stack([held[own].T, areas[own].T])
        with np.errstate(invalid="ignore", divide="ignore"):  # regions that none of the images has
            share, area = both.mean(axis=-1)
            drawn = np.divide(*resampled_means(both, seed=0, resamples=500))
            reach = t.isf(0.025 / len(names) / len(set(groups.tolist())), own.sum() - 1) * drawn.std(axis=-1)
            ends = {"ratio": share / area, "low": share / area - reach, "high": share / area + reach}
        found = {"group": group, "region": list(names), "images": own.sum(), "share": share, "area": area, **ends}
        parts.append(pd.DataFrame(found).assign(stands_out=(ends["low"].round(6) > 1) & (own.sum() >= FEWEST)))
    if not parts:
        return pd.DataFrame(columns=_COLUMNS, dtype=float).astype({"stands_out": bool})
    return pd.concat(parts, ignore_index=True)


def by_class(
    seen: Mapping[str, Measured], shown: np.ndarray, classes: np.ndarray, regions: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Set out `attention` of each method's maps by class.

    seen: by method, what was measured of its maps; shown: labels of classes; classes, regions: names of all.
    """
    tables = {}
    for method, measured in seen.items():
        own = np.isin(measured.classes, shown)
        held, areas = measured.held[method][own], measured.areas[own]
        tables[method] = attention(held, areas, regions, classes[measured.classes[own]])
    return tables


def filter_attention(maps: np.ndarray, regions: Regions) -> pd.DataFrame:
    """Set out `attention` of the filters' outputs (N, h, w, F) on N images; each group is a filter, by its number."""
    held = np.moveaxis(shares(maps, regions), 2, 0)
    filters, areas = np.repeat(np.arange(len(held)), len(regions.labels)), np.tile(regions.areas(), (len(held), 1))
    return attention(held.reshape(len(areas), -1), areas, regions.names, filters)


def stand_out(table: pd.DataFrame) -> pd.DataFrame:
    """Choose the rows of `attention` that stand out; the highest first."""
    return table[table["stands_out"]].sort_values("ratio", ascending=False, kind="stable")


def sentence(table: pd.DataFrame, by: str | Said, brief: bool = False) -> Said:
    """Say for each group of `attention` which regions stand out; by: what lies there, such as a method's relevance.

    brief: name the groups with the same regions together, and leave out the shares.
    """
    found, enough = stand_out(table), table["images"] >= FEWEST
    kinds: dict[str, list[str]] = {"none": [], "few": []}
    if found.empty and (enough.all() or not enough.any()):
        return said("regions.nowhere" if enough.any() else "regions.unknown", by=by)
    told: dict[tuple[Said, ...], list[str]] = {}
    for group, own in table.groupby("group", sort=False):
        if own["images"].iloc[0] < FEWEST:
            kinds["few"].append(str(group))
        elif len(own := found[found["group"] == group][:NAMED]):
            regions = [said("regions.other", region=name) for name in own.sort_index()["region"]]
            told.setdefault(tuple(regions if brief else phrases(own)), []).append(str(group))
        else:
            kinds["none"].append(str(group))
    some, whole = ("some_brief", "brief") if brief else ("some", "found")
    clauses = [said(f"regions.{some}", names=groups, regions=list(regions)) for regions, groups in told.items()]
    clauses += [said(f"regions.{kind}", names=groups) for kind, groups in kinds.items() if groups]
    joined = reduce(lambda before, clause: said("regions.also", before=before, clause=clause), clauses)
    return said(f"regions.{whole}", by=by, most=NAMED, found=joined)


def beyond(held: np.ndarray, blind: np.ndarray, names: Sequence[str]) -> list[str]:
    """Name the regions that hold more of a network's relevance than of the same one's with random weights.

    held, blind: (N, regions), the shares of both on the same images. By paired intervals of the difference that hold
    all at once with 95% (Student's t, Bonferroni); none of fewer than FEWEST images.
    """
    gaps = (held - blind)[np.isfinite(held + blind).all(axis=1)]
    if len(gaps) < FEWEST:
        return []
    reach = t.isf(0.025 / len(names), len(gaps) - 1) * gaps.std(axis=0, ddof=1) / len(gaps) ** 0.5
    return [name for name, low in zip(names, gaps.mean(axis=0) - reach, strict=True) if low.round(6) > 0]


def learned(table: pd.DataFrame, more: Sequence[str]) -> Said:
    """Say of the regions that stand out which hold more than with random weights; more: what `beyond` names."""
    found = stand_out(table)["region"].tolist()
    own = [said("regions.other", region=name) for name in found if name in more]
    if len(own) == len(found):
        return said("regions.learned_all")
    return said("regions.learned_some", regions=own) if own else said("regions.learned_none")


def phrases(found: pd.DataFrame) -> list[Said]:
    """Name regions that stand out, the first with its share and the share of the image that it covers."""
    first = [said("regions.one", region=row.region, share=row.share, area=row.area) for row in found[:1].itertuples()]
    return first + [said("regions.other", region=region) for region in found["region"][1:]]


def shared_sentence(table: pd.DataFrame, by: str | Said) -> list[Said]:
    """Say which regions stand out for both groups of `attention`; nothing where either has too few images."""
    groups = table["group"].drop_duplicates().tolist()
    if len(groups) < 2 or table["images"].min() < FEWEST:
        return []
    sets = [stand_out(table[table["group"] == group])["region"].tolist() for group in groups]
    both = [said("regions.other", region=region) for region in sets[0] if region in sets[1]]
    values = {"by": by, "first": groups[0], "second": groups[1]}
    return [said("regions.both", regions=both, **values) if both else said("regions.not_both", **values)]


def preferred(responses: np.ndarray, labels: np.ndarray, names: Sequence[str], claims: int = 1) -> list[str] | None:
    """Name the classes whose images a filter answers more than all others, the strongest first.

    responses: (N,); labels: (N,) int. By Welch's test, with 5% for all classes and `claims` filters (Bonferroni). None
    where no class has enough images.
    """
    sides = {name: (responses[labels == place], responses[labels != place]) for place, name in enumerate(names)}
    sides = {name: both for name, both in sides.items() if min(map(len, both)) >= FEWEST}
    if not sides:
        return None
    limit = 0.05 / len(sides) / claims
    welch = partial(ttest_ind, equal_var=False, alternative="greater")
    found = [name for name, both in sides.items() if welch(*both).pvalue < limit]
    return sorted(found, key=lambda name: -sides[name][0].mean())


def source(regions: Regions) -> Said:
    """Say where regions come from."""
    if regions.source == PLACES and regions.tried:
        values = {"foreground": said("regions.sources.places"), "found": regions.found, "tried": regions.tried}
        return said("regions.sources.no_faces", **values)
    values = {"found": regions.found, "all": len(regions.labels)} if regions.source == LANDMARKS else {}
    return said(f"regions.sources.{regions.source}", **values)


def filter_sentence(
    place: str | Said, texture: pd.Series, attended: pd.DataFrame, classes: Sequence[str] | None
) -> Said:
    """Say what a filter seeks.

    place: of the filter in its grid; texture: its row of `ascent.texture`; attended: its rows of
    `filter_attention`; classes: what `preferred` gives.
    """
    found, enough = stand_out(attended), (attended["images"] >= FEWEST).any()
    where = said("filters.no_region" if enough else "filters.few_regions")
    where = said("filters.regions", regions=phrases(found)) if len(found) else where
    liked = said("filters.few_classes" if classes is None else "filters.no_class")
    liked = said("filters.classes", classes=list(classes[:NAMED])) if classes else liked
    values = {"place": place, "alignment": texture["alignment"], "wave": texture["wave"], "where": where}
    if texture["alignment"] < ALIGNED:
        return said("filters.no_lines", liked=liked, **values)
    return said("filters.lines", liked=liked, angle=texture["angle"], **values)
