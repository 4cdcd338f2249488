"""Named parts of images, and how much of a map's relevance lies in each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu
from skimage.measure import regionprops_table
from skimage.transform import AffineTransform, resize, warp

from helpers.base.files import cache_folder, locked, write_atomically
from helpers.data import faces
from helpers.data.datasets import Dataset
from helpers.explain.superpixels import Explanation
from helpers.networks.sample import Sample

DRAWN, TEMPLATE, PLACES, WORDS = "drawn", "template", "places", "superpixels"  # where regions come from
LANDMARKS = "landmarks"  # and from landmarks of each face, where the extra of this name is installed
FRAME = ("centre", "ring", "border")
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "middle", "right")
COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
_COLOURS = bytes.fromhex("0f0f0f f5f5f5 808080 c81e1e f08c1e f0dc3c 3c9632 2850be 783296 f096b4 784b28")
TONES, _TONES = ("dark", "mid-grey", "bright"), bytes.fromhex("141414 777777 ebebeb")
# Top, bottom, left and right of each part of a face as FER2013 cuts it, in 48ths of the image; later parts cover
# earlier ones. It is laid on the medians of landmarks there, which have standard deviations of 3 to 5 pixels.
_TEMPLATE = {
    "forehead": [(0, 14, 0, 48)], "chin": [(42, 48, 0, 48)], "brows": [(9, 14, 8, 41)],
    "eyes": [(14, 22, 8, 22), (14, 22, 27, 41)], "nose": [(14, 33, 21, 29)], "mouth": [(33, 42, 14, 36)],
}  # fmt: skip
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_USUAL = np.array([[15, 18], [33, 18], [25, 29], [17, 37], [32, 37]])  # x and y of these, in the template
_BATCH = 32  # images that are searched at once
TRIED = 32  # images of a data set that are searched first: where most have no face, no more are
_MISFIT = 5.0  # most by which a landmark may lie off where the moved template has it, in 48ths of the image


@dataclass(frozen=True)
class Regions:
    """Named regions of N images.

    labels: (N, H, W) uint8, every pixel's patch; names: of the regions; held: (regions, patches) bool, of which patches
    each is made; source: where they come from, such as DRAWN. Where an image is divided in several ways, such as into
    halves and into fore- and background, regions of different divisions overlap. found: in how many images landmarks
    say where they are; tried: where they are PLACES, of how many images, if faces were looked for.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    held: np.ndarray
    source: str
    found: int = 0
    tried: int = 0

    def part(self, chosen: slice | np.ndarray) -> "Regions":
        """Give the regions of some of the images."""
        return replace(self, labels=self.labels[chosen])

    def areas(self) -> np.ndarray:
        """Give each region's share of its image: (N, regions) float64."""
        counts = [np.bincount(labels.ravel(), minlength=self.held.shape[1]) for labels in self.labels]
        return np.stack(counts) @ self.held.T / self.labels[0].size


def find_regions(dataset: Dataset, sample: Sample, split: str = "test") -> Regions:
    """Name the regions of a sample's images.

    Of schematic faces they are known. Of FER2013, and of data in most of whose images a face is found (of TRIED that
    are spread over the split), they are a template, which is laid on the landmarks of each face that has some. Of other
    images they are centre, ring and border, both halves, and fore- and background.
    """
    shape = sample.images.shape[:3]
    if dataset.evidence is not None:
        drawn = faces.draw_regions(split, sample.indices, sample.labels)
        drawn = resize(drawn, shape, order=0, preserve_range=True, anti_aliasing=False).astype(np.uint8)
        return _of_partition(drawn, faces.REGIONS, DRAWN)
    detects, known, template = find_spec("mtcnn"), dataset.title == "FER2013", _face_template(shape[1:])
    if not detects:
        return _of_face(np.broadcast_to(template, shape), TEMPLATE) if known else _of_places(sample.images)
    usual = template
    if not known:
        places = np.unique(np.linspace(0, len(getattr(dataset, split).labels) - 1, TRIED).astype(int))
        seen = [points for points in landmarks_of(dataset, split, places) if lay_template(template, points) is not None]
        if len(seen) <= len(places) / 2:
            return replace(_of_places(sample.images), found=len(seen), tried=len(places))
        moved = lay_template(template, np.median(seen, axis=0))
        usual = template if moved is None else moved
    laid = [lay_template(template, points) for points in landmarks_of(dataset, split, sample.indices)]
    labels = np.stack([usual if one is None else one for one in laid])
    return replace(_of_face(labels, LANDMARKS), found=sum(one is not None for one in laid))


def _of_face(labels: np.ndarray, source: str) -> Regions:
    return _of_partition(labels, (*faces.REGIONS[:-2], "rest"), source)


def _of_places(images: np.ndarray) -> Regions:
    shape = images.shape[:3]
    below = np.arange(shape[1])[:, np.newaxis] >= shape[1] / 2
    labels = (4 * _frame(shape[1:]) + 2 * below + foreground(images)).astype(np.uint8)
    patches = np.arange(12)
    parts = {name: patches // 4 == place for place, name in enumerate(FRAME)}
    parts |= {"upper half": patches // 2 % 2 == 0, "lower half": patches // 2 % 2 == 1}
    parts |= {"background": patches % 2 == 0, "foreground": patches % 2 == 1}
    return Regions(labels, tuple(parts), np.stack([*parts.values()]), PLACES)


def landmarks_of(dataset: Dataset, split: str, places: np.ndarray) -> np.ndarray:
    """Give `find_landmarks` of images of a split by place (N,), each searched once and kept beside the decoded data."""
    images = getattr(dataset, split).images
    path = cache_folder() / "known" / f"landmarks-{dataset.digest[:40]}-{split}"
    with locked(path.with_suffix(".lock")):  # notebooks run side by side
        found = np.fromfile(path) if path.exists() else np.full(len(images) * len(_POINTS) * 2, np.inf)
        found = found.reshape(len(images), len(_POINTS), 2)
        new = np.unique(places[np.isinf(found[places, 0, 0])])
        if len(new):
            found[new] = find_landmarks(np.asarray(images[new]))
            write_atomically(path, found.tobytes())
    return found[places]


def find_landmarks(images: np.ndarray) -> np.ndarray:
    """Find eyes, nose and both corners of the mouth in faces by MTCNN: (N, 5, 2) float64, x and y in 48ths, else nan.

    images: (N, H, W, C) uint8; enlarged with a margin, as the detector knows faces within photos. Zhang et al., 2016.
    """
    from mtcnn import MTCNN

    detector, found = MTCNN(), np.full((len(images), len(_POINTS), 2), np.nan)
    for first in range(0, len(images), _BATCH):
        large = [resize(image, (192, 192, 3), preserve_range=True) for image in images[first : first + _BATCH]]
        framed = [np.pad(image.astype(np.uint8), ((48, 48), (48, 48), (0, 0)), "edge") for image in large]
        for place, seen in enumerate(detector.detect_faces(framed), first):
            if seen:
                best = max(seen, key=lambda one: one["confidence"])
                found[place] = (np.array([best["keypoints"][name] for name in _POINTS]) - 48) / 4
    return found


def lay_template(template: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Move a face's template (H, W) uint8 to its landmarks (5, 2), by an affine map; None where they are no face's."""
    scale = np.array(template.shape[::-1]) / 48
    here, usual = points * scale, _USUAL * scale
    moved = np.isfinite(points).all() and AffineTransform.from_estimate(here, usual)
    if not moved or np.abs((moved(here) - usual) / scale).max() > _MISFIT:
        return None
    return warp(template, moved, order=0, cval=template.max(), preserve_range=True).astype(np.uint8)


def superpixel_regions(dataset: Dataset, sample: Sample, explanations: Sequence[Explanation]) -> Regions:
    """Name the regions in which superpixels lie: the parts of a face; else the place of their middle, and their colour.

    explanations: of the sample's images, whose mean colour in a superpixel is named after the nearest that is known.
    """
    if (known := find_regions(dataset, sample)).source != PLACES:
        return known
    colours, values = (COLOURS, _COLOURS) if sample.images.shape[3] == 3 else (TONES, _TONES)
    places = [f"{row} {column}".replace("middle middle", "middle") for row in ROWS for column in COLUMNS]
    lab = _lab(np.frombuffer(values, np.uint8).reshape(1, -1, 3))[0]
    pairs = zip(sample.images, explanations, strict=True)
    patches = np.arange(len(places) * len(colours))
    held = [patches // len(colours) == place for place in range(len(places))]
    held += [patches % len(colours) == tone for tone in range(len(colours))]
    names = (*places, *(f"{colour} parts" for colour in colours))
    return Regions(
        np.stack([_describe(image, one.segments, lab) for image, one in pairs]), names, np.stack(held), WORDS
    )


def spread_weights(explanations: Sequence[Explanation]) -> np.ndarray:
    """Spread each superpixel's weight evenly over its pixels: (N, H, W) float64, signed."""
    return np.stack([(one.weights / np.bincount(one.segments.ravel()))[one.segments] for one in explanations])


def shares(maps: np.ndarray, regions: Regions) -> np.ndarray:
    """Measure which share of each map's positive relevance every region holds.

    maps: (N, h, w) or, of several filters, (N, h, w, F), of any size. Returns (N, regions) or (N, regions, F) float64,
    nan where a map has no positive relevance. Regions that divide the image share 1 among them.
    """
    values = np.asarray(maps).reshape(*maps.shape[:3], -1)
    count, size = regions.held.shape[1], regions.labels.shape[1:]
    rows, columns = (np.arange(own) * small // own for own, small in zip(size, values.shape[1:3]))
    cells = (rows[:, np.newaxis] * values.shape[2] + columns) * count
    found = []
    for image, labels in zip(values, regions.labels, strict=True):
        pixels = np.bincount((cells + labels).ravel(), minlength=image[..., 0].size * count).reshape(-1, count)
        held = pixels.T.astype(np.float64) @ image.reshape(len(pixels), -1).clip(min=0)
        with np.errstate(invalid="ignore"):
            found.append(regions.held @ held / held.sum(axis=0))
    return np.stack(found)[..., 0] if np.ndim(maps) == 3 else np.stack(found)


def foreground(images: np.ndarray) -> np.ndarray:
    """Mark the pixels whose colour is further from that of the image's border than Otsu's threshold: (N, H, W) bool.

    images: (N, H, W, C) uint8; the border's colour is the median of its outer sixteenth. Distances are those of Lab.
    """
    edge = _frame(images.shape[1:3], limits=(0.0, 0.875)) == 2
    found = []
    for image in images:
        lab = _lab(image)
        distance = np.linalg.norm(lab - np.median(lab[edge], axis=0), axis=-1)
        found.append(distance > threshold_otsu(distance))
    return np.stack(found)


def _of_partition(labels: np.ndarray, names: tuple[str, ...], source: str) -> Regions:
    return Regions(labels, names, np.eye(len(names), dtype=bool), source)


def _face_template(shape: tuple[int, int]) -> np.ndarray:
    """Lay out the parts of a face that fills the image: (H, W) uint8, places in faces.REGIONS, at last the rest."""
    rows, columns = ((np.arange(size) + 0.5) * 48 / size for size in shape)
    rows, rest = rows[:, np.newaxis], len(faces.REGIONS) - 2
    labels = np.full(shape, faces.REGIONS.index("cheeks"), np.uint8)
    for name, boxes in _TEMPLATE.items():
        for top, bottom, left, right in boxes:
            inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
            labels[inside] = faces.REGIONS.index(name)
    labels[((columns - 24.5) / 20) ** 2 + ((rows - 24) / 26) ** 2 > 1] = rest
    return labels


def _frame(shape: tuple[int, int], limits: tuple[float, float] = (0.5, 0.8)) -> np.ndarray:
    """Number the pixels by how far out they are: (H, W) int, 0 in the centre, 1 in the ring and 2 at the border."""
    down, across = (np.abs((np.arange(size) + 0.5) / size * 2 - 1) for size in shape)
    return np.digitize(np.maximum(down[:, np.newaxis], across), limits)


def _describe(image: np.ndarray, segments: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Number each pixel by its superpixel's place in a grid of nine, and the known colour that it is nearest to."""
    measured = regionprops_table(segments + 1, _lab(image), properties=("centroid", "intensity_mean"))
    values = np.stack([*measured.values()], axis=1)  # row and column of the middle, then Lab
    row, column = (values[:, :2] * 3 // segments.shape).astype(int).T
    nearest = np.linalg.norm(values[:, np.newaxis, 2:] - known, axis=-1).argmin(axis=1)
    return ((3 * row + column) * len(known) + nearest).astype(np.uint8)[segments]


def _lab(image: np.ndarray) -> np.ndarray:
    return rgb2lab(np.broadcast_to(image, (*image.shape[:-1], 3)))
