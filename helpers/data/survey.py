"""A look at every image before any is decoded in full: its size, colour, depth and transparency, for the whole set.

An image in another scale, on another ground or without its colour would tell its class by how it was read.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.base.words import Said, said
from helpers.data.decode import lay_on, map_all, open_image, read_content
from helpers.data.options import Options
from helpers.data.reading import Pixels
from helpers.data.sources import Giver, printable

_TINGE = 8  # grey levels by which colours may differ in an image that counts as grey
_LOOK = 64  # pixels a side at which an image is looked at
_FIRST = 100  # images that tell whether the others have to be decoded
_SIZES = (48, 128)  # pixels a side that are chosen, where the data do not come in less or more
_STEP = 16  # by which sizes differ, so that a network can halve them
_AFFORDED = 2**24  # pixels of all images together, so that training takes minutes; 64 a side are taken anyway
_AT_LEAST = 64
_ODD = 3  # times by which a side differs from the median, at least, in an image of odd size
_GROUNDS = {255: "white", 0: "black", 128: "grey"}  # the first of those on which most images can be seen
_VISIBLE = 24  # grey levels by which an image differs from its ground on average, at least, where it can be seen


class _Look(NamedTuple):
    """What is seen of an image.

    sides: the shorter and the longer, in pixels; reach: the least and the largest value, where there are more than 8
    bits, else empty; whole: whether these are whole numbers; stacked: whether it has more than one page or picture;
    contrasts: to each of the grounds, where it is transparent; decoded: whether its pixels were looked at.
    """

    sides: tuple[int, int]
    coloured: bool
    reach: tuple[float, ...] = ()
    whole: bool = True
    stacked: bool = False
    contrasts: tuple[float, ...] = ()
    decoded: bool = True


def survey(openers: Iterable[Giver], options: Options, size: int | None = None, names: Sequence[str] = ()) -> Pixels:
    """Look at all images and decide how they become arrays.

    size: pixels a side where the options do not say, or None to follow the data; names: of the images, if they have
    any. Images that cannot be read are passed over, as `decode` says what is wrong with them.
    """
    found = threading.Event()  # colour is looked for until it is found
    looked = zip(_look_at_all(openers, found), chain(names, repeat("")))
    seen = [(look, name) for look, name in looked if look]
    looks = [look for look, _ in seen]
    side, size_notes = _choose_size(looks) if size is None else (size, ())
    black, white, bits, depth_notes = _find_scale([look for look in looks if look.reach])
    ground, ground_notes = _choose_ground([look.contrasts for look in looks if look.contrasts])
    cropped = np.array([1 - look.sides[0] / look.sides[1] for look in looks if options.fit == "crop"])
    pages = sum(look.stacked for look in looks)
    page_notes = (said("data.notes.pages", n=pages),) if pages else ()
    size_notes = () if options.image_size else size_notes
    counts = {"n": int((cropped > 0.25).sum()), "all": len(cropped)}  # of images of which much is cut off
    crop_notes = (said("data.notes.crop", **counts, most=float(cropped.max())),) if counts["n"] else ()
    return Pixels(
        size=options.image_size or side,
        colour=found.is_set(),
        bits=bits,
        fit=options.fit,
        cropped=float(cropped.mean()) if len(cropped) else 0.0,
        notes=(*size_notes, *depth_notes, *ground_notes, *page_notes, *_odd_notes(seen), *crop_notes),
        black=black,
        white=white,
        ground=ground,
    )


def _look_at_all(openers: Iterable[Giver], found: threading.Event) -> Iterator[_Look | None]:
    """Look at images in order: on all cores if pixels have to be seen; else threads would only delay one another."""
    look, rest = partial(_look, found=found), iter(openers)
    first = [look(opener) for opener in islice(rest, _FIRST)]
    decoded = first and first[-1] and first[-1].decoded
    return chain(first, map_all(look, rest) if decoded else map(look, rest))


def _look(opener: Giver, found: threading.Event) -> _Look | None:
    try:
        sides, image = open_image(read_content(opener), _LOOK)
        if isinstance(image, np.ndarray):
            look = _look_at_values(sides, image, found.is_set())
        else:
            look = _look_at_image(sides, image, found.is_set())
    except Exception:  # decoders answer foreign bytes with errors of any kind, which are told when they are decoded
        return None
    if look.coloured:
        found.set()
    return look


def _look_at_values(sides: tuple[int, int], values: np.ndarray, known: bool) -> _Look:
    """Look at an image; known: whether colour need not be looked for."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    coloured = not known and values.ndim == 3 and values.shape[2] == 3
    if coloured:
        coloured = bool(np.ptp(values.astype(np.float64), axis=2).max() * 255 > _TINGE * max(high, 1e-9))
    return _Look(sides, coloured, (low, high), bool(np.all(finite == np.rint(finite))))


def _look_at_image(sides: tuple[int, int], image: Image.Image, known: bool) -> _Look:
    stacked = image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False)
    contrasts = _contrasts(image) if image.has_transparency_data else ()
    unsure = not known and image.mode not in ("1", "L", "LA")
    seen = unsure or image.has_transparency_data
    return _Look(sides, unsure and _is_coloured(image), stacked=stacked, contrasts=contrasts, decoded=seen)


def _is_coloured(image: Image.Image) -> bool:
    """Tell whether an image has a pixel that is clearly not grey."""
    seen = lay_on(image, 255).convert("RGB")
    seen.thumbnail((_LOOK, _LOOK), Image.Resampling.BOX)
    values = np.asarray(seen)
    return bool((values.max(axis=2) - values.min(axis=2)).max() > _TINGE)


def _contrasts(image: Image.Image) -> tuple[float, ...]:
    """Give by how many grey levels what is not transparent differs from each ground; nothing where all is opaque."""
    grey, opacity = (np.asarray(channel, np.float64) for channel in image.convert("LA").split())
    if opacity.min() == 255 or opacity.max() == 0:
        return ()
    return tuple(float(np.average(np.abs(grey - ground), weights=opacity)) for ground in _GROUNDS)


def _choose_size(looks: Sequence[_Look]) -> tuple[int, tuple[Said, ...]]:
    """Take the median of the shorter sides, within bounds and as far as training on so many images takes minutes."""
    if not looks:
        return _AT_LEAST, ()
    median = int(np.median([look.sides[0] for look in looks]))
    afforded = max(_AT_LEAST, int((_AFFORDED / len(looks)) ** 0.5))
    size = int(np.clip(min(median, afforded), *_SIZES)) // _STEP * _STEP
    if median < size + _STEP:
        return size, ()
    if afforded < min(median, _SIZES[1]):
        return size, (said("data.notes.size_afforded", median=median, size=size, n=len(looks)),)
    return size, (said("data.notes.size", median=median, size=size),)


def _find_scale(deep: Sequence[_Look]) -> tuple[float, float, int, tuple[Said, ...]]:
    """Find which values become black and white in images of more than 8 bits, how many bits are used, and notes."""
    if not deep:
        return 0.0, Pixels.white, 8, ()
    low, high = min(look.reach[0] for look in deep), max(look.reach[1] for look in deep)
    whole = all(look.whole for look in deep)
    bits = int(high).bit_length() if whole and low >= 0 else 32
    black, white = _find_ends(low, high, whole)
    if (black, white) == (0, 255):
        return black, white, 8, ()
    note = said("data.notes.scale", n=len(deep), low=low, high=high, black=black, white=white)
    return black, white, bits, (note,)


def _find_ends(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Say which values are black and white, given the least and the largest of the whole set."""
    if low < 0:
        return low, max(high, low + 1e-9)
    if whole:
        bits = max(1, int(high).bit_length())
        return 0.0, float(high if high == 2 ** (bits - 1) else 2**bits - 1)
    ends = [end for end in (1.0, 255.0, 4095.0, 65535.0) if end / 2 < high <= end]
    return (0.0, ends[0]) if ends else (low, max(high, low + 1e-9))


def _choose_ground(contrasts: Sequence[tuple[float, ...]]) -> tuple[int, tuple[Said, ...]]:
    """Choose one ground for all transparent images, on which most can be seen."""
    grounds = [*_GROUNDS]
    if not contrasts:
        return grounds[0], ()
    seen = (np.array(contrasts) >= _VISIBLE).sum(axis=0)
    ground = grounds[int(seen.argmax())]
    return ground, (said(f"data.notes.transparent_{_GROUNDS[ground]}", n=len(contrasts)),)


def _odd_notes(seen: Sequence[tuple[_Look, str]]) -> Iterator[Said]:
    """Say which images have a side that is several times shorter or longer than is usual in these data."""
    sides = np.array([look.sides for look, _ in seen], np.float64).reshape(-1, 2)
    usual = np.median(sides, axis=0) if len(sides) else np.ones(2)
    ratios = np.maximum(sides / usual, usual / sides).max(axis=1)
    if count := int((ratios >= _ODD).sum()):
        oddest = int(ratios.argmax())
        size, odd_size = (" x ".join(f"{side:,.0f}" for side in pair) for pair in (usual, sides[oddest]))
        facts = {"n": count, "all": len(seen), "times": _ODD, "usual": size, "oddest": odd_size}
        name = printable(seen[oddest][1])
        yield said("data.notes.odd_named", name=name, **facts) if name else said("data.notes.odd", **facts)
