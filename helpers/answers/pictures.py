"""The pictures of an answer, as the bytes of its files."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

PNG_DPI = 150
SHARP_DPI = 120  # what is smoothed of pixels of this size cannot be seen
PDF_IMAGE_DPI = 180  # more cannot be told from it in print, and takes megabytes
COLUMNS = 6  # images beside each other
TILE = 64  # pixels a side, at most, of the images behind a cell


def as_pdf(figure: "Figure") -> bytes:
    """Give a figure as vectors, as PDF; the same figure gives the same bytes.

    Of pictures with fewer pixels than print can show, it holds each pixel as a square of several, since viewers may
    smooth what they enlarge; larger ones are reduced.
    """
    stream, usual = io.BytesIO(), []
    for image in (image for axes in figure.axes for image in axes.images if image.get_interpolation() == "nearest"):
        pixels, times = image.get_array(), min(4, _times(image))
        if pixels is not None and times:
            usual.append((image, pixels))
            image.set_data(pixels.repeat(times, 0).repeat(times, 1))
            image.set_interpolation("none")
    figure.savefig(stream, format="pdf", dpi=PDF_IMAGE_DPI, metadata={"CreationDate": None})
    for image, pixels in usual:
        image.set_data(pixels)
        image.set_interpolation("nearest")
    return stream.getvalue()


def _times(image: "AxesImage") -> int:
    """Say how many pixels a side stand for one of a picture, in axes as they were last laid out; 0: less than one."""
    axes = image.axes
    inches = np.array(axes.get_window_extent().size) / axes.figure.dpi
    density = max(np.flip(image.get_size()) / inches)
    return max(1, int(SHARP_DPI / density)) if density <= PDF_IMAGE_DPI else 0


def as_sheet(images: Sequence[np.ndarray]) -> bytes:
    """Put images (H, W, C) uint8 beside and below each other, each at most 64 pixels wide and high, as PNG."""
    tiles = [Image.fromarray(image.squeeze()).convert("RGB") for image in images]
    for tile in tiles:
        tile.thumbnail((TILE, TILE))
    width, height = max(tile.width for tile in tiles) + 2, max(tile.height for tile in tiles) + 2
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (width * columns - 2, height * rows - 2), "white")
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % COLUMNS * width, place // COLUMNS * height))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def as_png(figure: "Figure") -> bytes:
    """Give a figure as pixels, as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=PNG_DPI)
    return stream.getvalue()
