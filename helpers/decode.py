"""Bytes of an image file into pixels of one size, on all cores and a bounded number at a time."""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.sources import Opener

PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no format that runs a program
_BATCH, _ROUND = 32, 1024  # images a task, images under way at once: threads pay off only above single images
_PROBES = 256  # images that decide between grey and colour


def has_colour(openers: Sequence[Opener], size: int) -> bool:
    """Tell whether any of a few hundred images, evenly spaced, has a pixel that is not grey."""
    probes = openers[:: max(1, len(openers) // _PROBES)]
    return any(not isinstance(image, str) and np.ptp(image, axis=-1).any() for image in decode_all(probes, size, "RGB"))


def decode_all(openers: Sequence[Opener], size: int, mode: str) -> Iterator[np.ndarray | str]:
    """Decode images on all cores, in order, a bounded number at a time."""
    decode = partial(_decode_batch, size=size, mode=mode)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for round_ in _cut_up(openers, _ROUND):
            yield from chain.from_iterable(pool.map(decode, _cut_up(round_, _BATCH)))


def _cut_up(openers: Sequence[Opener], length: int) -> Iterator[Sequence[Opener]]:
    return (openers[start : start + length] for start in range(0, len(openers), length))


def _decode_batch(openers: Sequence[Opener], size: int, mode: str) -> list[np.ndarray | str]:
    return [decode(opener, size, mode) for opener in openers]


def decode(opener: Opener, size: int, mode: str) -> np.ndarray | str:
    """Decode an image to (size, size, C) uint8, C being 1 for mode "L" and 3 for "RGB", or say why not."""
    try:
        with opener() as file, Image.open(io.BytesIO(file.read()), formats=PICTURE_FORMATS) as image:
            image.draft(None, (size, size))
            return resize(ImageOps.exif_transpose(image).convert(mode), size)
    except UnidentifiedImageError:
        return "is not an image"
    except Exception as error:  # decoders answer foreign bytes with errors of any kind
        return str(error) or type(error).__name__


def resize(image: Image.Image, size: int) -> np.ndarray:
    """Crop the middle square and scale it, with antialiasing, to (size, size, C) uint8."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(size, size, -1)


def scale(images: np.ndarray, size: int) -> np.ndarray:
    """Scale (N, H, W, 1) uint8 to (N, size, size, 1), as `resize` does."""
    return np.stack([resize(Image.fromarray(image[..., 0]), size) for image in images])


def scale_masks(masks: np.ndarray, size: int) -> np.ndarray:
    """Scale (N, H, W) bool to (N, size, size): true where at least half of a pixel was."""
    grey = (Image.fromarray(mask.astype(np.uint8) * 255) for mask in masks)
    return np.stack([np.asarray(image.resize((size, size), Image.Resampling.BOX)) >= 128 for image in grey])
