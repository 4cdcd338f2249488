"""Bytes of an image file into pixels of one size, on all cores and a bounded number at a time."""

import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.data.reading import Pixels
from helpers.data.sources import Giver, UnreadableError

PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")  # and HEIF; none runs a program
MAX_BYTES = 100 * 2**20  # of an image file
MAX_PIXELS = 2**26  # of an image, as far as it is decoded: some 200 MB in colour
# Images a task, images under way at once, and no more bytes of these: threads pay off only above single images.
_BATCH, _ROUND, _ROUND_BYTES = 32, 1024, 2**26
_MAGICS = (  # of the formats above; what begins so is a picture whatever its name
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"P%d" % kind + blank for kind in range(1, 7) for blank in (b"\n", b" ", b"\r", b"\t")),
)
_NO_TIFF = "is a TIFF that is not read, such as one of many bands (save three of these as PNG)"
_DEEP = ("RGB;16", "RGBX;16")  # as Pillow calls colours of 16 bits, alone and with a band that is left out
_FILE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")

# Pillow warns of odd metadata and of many pixels; here a picture is either read or left out with a reason.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

Made = TypeVar("Made")


def is_picture(head: bytes) -> bool:
    """Tell by its first 16 bytes whether a file is a picture, whatever its name."""
    return head.startswith(_MAGICS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_heif(head)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _FILE_BRANDS


def decode_all(openers: Iterable[Giver], pixels: Pixels) -> Iterator[np.ndarray | str]:
    """Decode images on all cores, in order, a bounded number at a time; what is yielded is as `decode` says."""
    return map_all(partial(decode, pixels=pixels), openers, math.prod(pixels.shape))


def map_all(make: Callable[[Giver], Made], openers: Iterable[Giver], made_bytes: int = 1) -> Iterator[Made]:
    """Make something, of so many bytes, of every image on all cores, in order, a bounded number at a time."""
    cores = os.cpu_count() or 1
    under_way = max(cores, min(_ROUND, _ROUND_BYTES // made_bytes))
    batch = min(_BATCH, under_way // cores)
    rest = iter(openers)
    with ThreadPoolExecutor(cores) as pool:
        while round_ := list(islice(rest, under_way)):
            batches = (round_[start : start + batch] for start in range(0, len(round_), batch))
            yield from chain.from_iterable(pool.map(lambda batch: [make(opener) for opener in batch], batches))


def decode(opener: Giver, pixels: Pixels) -> np.ndarray | str:
    """Decode an image to an array of `pixels.shape`, uint8, or say why not.

    It is turned as its EXIF data say; of an animation the first picture counts; what is transparent shows the ground;
    more than 8 bits are brought to 8, on the scale from `pixels.black` to `pixels.white`.
    """
    data: bytes | np.ndarray = b""
    try:
        data = read_content(opener)
        _, image = open_image(data, pixels.size)
        flat = _from_deep(image, pixels) if isinstance(image, np.ndarray) else lay_on(image, pixels.ground)
        return resize(flat.convert("RGB" if pixels.colour else "L"), pixels.size, pixels.fit)
    except UnidentifiedImageError:
        return _NO_TIFF if data[:2] in (b"II", b"MM") else "is not an image"
    except Image.DecompressionBombError:
        return f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    except Exception as error:  # decoders answer foreign bytes with errors of any kind
        message = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return "is cut short" if "truncated" in message.lower() else message


def read_content(opener: Giver) -> bytes | np.ndarray:
    """Read an image's file, if it is no array; raises UnreadableError where it is empty or larger than any image."""
    file = opener()
    if isinstance(file, np.ndarray):
        return file
    with file:
        data = file.read(MAX_BYTES + 1)
    if not data:
        raise UnreadableError("is empty")
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"is larger than {MAX_BYTES:,} bytes")
    return data


def open_image(data: bytes | np.ndarray, size: int) -> tuple[tuple[int, int], Image.Image | np.ndarray]:
    """Open an image, given as a file or as values: its shorter and longer side, and it itself.

    If it has over 8 bits, or is given as such, it is an array of (H, W), (H, W, 1) or (H, W, 3) values.
    size: pixels a side that are wanted, so that a large JPEG need not be decoded in full.
    """
    if isinstance(data, np.ndarray):
        return (min(data.shape[:2]), max(data.shape[:2])), data
    formats: tuple[str, ...] = PICTURE_FORMATS
    if _is_heif(data[:12]):  # photographs from iPhones, which Pillow reads by a library of its own
        from pillow_heif import register_heif_opener

        register_heif_opener()
        formats += ("HEIF",)
    image = Image.open(io.BytesIO(data), formats=formats)
    sides = min(image.size), max(image.size)
    image.draft(None, (size, size))
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableError(f"has {image.width * image.height:,} pixels, more than {MAX_PIXELS:,}")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return sides, np.asarray(ImageOps.exif_transpose(image))
    return sides, _read_deep_colour(data, image) if _raw_mode(image).startswith(_DEEP) else image


def _raw_mode(image: Image.Image) -> str:
    """Name the form in which an image's pixels are stored, as Pillow's decoders do; "" where there is none."""
    tiles = getattr(image, "tile", None)  # which only images have that are not yet decoded
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args or "")


def _read_deep_colour(data: bytes, image: Image.Image) -> np.ndarray:
    """Read (H, W, 3) uint16 colours, of which Pillow gives the upper 8 bits, or the lower with the bytes swapped."""
    raw = _raw_mode(image)
    native = "L" if sys.byteorder == "little" else "B"
    stored = native if raw[-1] == "N" else raw[-1]
    lower: Any = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
    first = lower.tile[0]
    swapped = f"{raw[:-1]}{'L' if stored == 'B' else 'B'}"
    args = (swapped, *first.args[1:]) if isinstance(first.args, tuple) else swapped
    lower.tile = [tile._replace(args=args) for tile in lower.tile]
    high, low = (np.asarray(ImageOps.exif_transpose(part))[..., :3].astype(np.uint16) for part in (image, lower))
    return high * 256 + low


def _from_deep(values: np.ndarray, pixels: Pixels) -> Image.Image:
    """Bring (H, W), (H, W, 1) or (H, W, 3) values of any type to 8 bits, from pixels.black to pixels.white."""
    scaled = (values.astype(np.float64) - pixels.black) * (255 / (pixels.white - pixels.black))
    levels = np.rint(np.nan_to_num(scaled).clip(0, 255)).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels)


def lay_on(image: Image.Image, ground: int) -> Image.Image:
    """Turn an image as its EXIF data say and, where it is transparent, lay it on a ground: a grey level of 0 to 255."""
    image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, (ground, ground, ground, 255)), over)


def resize(image: Image.Image, size: int, fit: str = "crop") -> np.ndarray:
    """Make an image square and scale it, with antialiasing, to (size, size, C) uint8.

    fit: "crop" keeps the middle, "pad" adds black and "stretch" distorts.
    """
    if image.size != (size, size):
        squares: dict[str, Callable[..., Image.Image]] = {"crop": ImageOps.fit, "pad": ImageOps.pad}
        square = squares.get(fit, Image.Image.resize)
        image = square(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(size, size, -1)


def scale(images: np.ndarray, size: int) -> np.ndarray:
    """Scale (N, H, W, 1) uint8 to (N, size, size, 1), as `resize` does."""
    return np.stack([resize(Image.fromarray(image[..., 0]), size) for image in images])


def scale_masks(masks: np.ndarray, size: int) -> np.ndarray:
    """Scale (N, H, W) bool to (N, size, size): true where at least half of a pixel was."""
    grey = (Image.fromarray(mask.astype(np.uint8) * 255) for mask in masks)
    return np.stack([np.asarray(image.resize((size, size), Image.Resampling.BOX)) >= 128 for image in grey])
