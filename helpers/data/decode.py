"""Bytes of an image file into pixels of one size, on all cores and a bounded number at a time."""

import io
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.data.options import Options
from helpers.data.reading import Pixels
from helpers.data.sources import OTHER_SIZE, Opener, UnreadableError

PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")  # no format that runs a program
MAX_BYTES = 100 * 2**20  # of an image file
MAX_PIXELS = 2**26  # of an image, as far as it is decoded: some 200 MB in colour
_BATCH, _ROUND = 32, 1024  # images a task, images under way at once: threads pay off only above single images
PROBES = 256  # images that decide between grey and colour
_TINGE = 8  # grey levels by which colours may differ in an image that counts as grey

# Pillow warns of odd metadata and of many pixels; here a picture is either read or left out with a reason.
warnings.filterwarnings("ignore", module=r"PIL\.")


def survey(openers: Iterable[Opener], options: Options, size: int = OTHER_SIZE) -> Pixels:
    """Look at images and decide how they become arrays; size: pixels a side, where the options do not say."""
    pixels = Pixels(options.image_size or size, colour=True)
    return replace(pixels, colour=_has_colour(openers, pixels))


def _has_colour(openers: Iterable[Opener], pixels: Pixels) -> bool:
    """Tell whether any of these images has a pixel that is clearly not grey."""
    images = decode_all(openers, pixels)
    return any(not isinstance(image, str) and np.ptp(image, axis=-1).max() > _TINGE for image in images)


def decode_all(openers: Iterable[Opener], pixels: Pixels) -> Iterator[np.ndarray | str]:
    """Decode images on all cores, in order, a bounded number at a time; what is yielded is as `decode` says."""
    decode_batch = partial(_decode_batch, pixels=pixels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for round_ in _cut_up(openers, _ROUND):
            yield from chain.from_iterable(pool.map(decode_batch, _cut_up(round_, _BATCH)))


def _cut_up(openers: Iterable[Opener], length: int) -> Iterator[list[Opener]]:
    rest = iter(openers)
    return iter(lambda: list(islice(rest, length)), [])


def _decode_batch(openers: list[Opener], pixels: Pixels) -> list[np.ndarray | str]:
    return [decode(opener, pixels) for opener in openers]


def decode(opener: Opener, pixels: Pixels) -> np.ndarray | str:
    """Decode an image to an array of `pixels.shape`, uint8, or say why not.

    It is turned as its EXIF data say; of an animation the first picture counts; what is transparent becomes white;
    16 bits become 8.
    """
    size, mode = pixels.size, "RGB" if pixels.colour else "L"
    try:
        with Image.open(io.BytesIO(_read(opener)), formats=PICTURE_FORMATS) as image:
            image.draft(None, (size, size))
            _check_size(image)
            return resize(_flatten(ImageOps.exif_transpose(image), image.format).convert(mode), size)
    except UnidentifiedImageError:
        return "is not an image"
    except Image.DecompressionBombError:
        return f"has more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels"
    except Exception as error:  # decoders answer foreign bytes with errors of any kind
        return _explain(error)


def _explain(error: Exception) -> str:
    message = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "is cut short" if "truncated" in message.lower() else message


def _read(opener: Opener) -> bytes:
    with opener() as file:
        data = file.read(MAX_BYTES + 1)
    if not data:
        raise UnreadableError("is empty")
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"is larger than {MAX_BYTES:,} bytes")
    return data


def _check_size(image: Image.Image) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise UnreadableError(f"has {pixels:,} pixels, more than {MAX_PIXELS:,}")


def _flatten(image: Image.Image, file_format: str) -> Image.Image:
    """Bring an image to 8 bits a channel and lay it on white where it is transparent."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PPM"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))  # 65535 becomes 255
    if image.mode in ("I", "F"):
        raise UnreadableError("has pixels of 32 bits, which do not say what is white")
    if not image.has_transparency_data:
        return image
    opaque = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), opaque)


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
