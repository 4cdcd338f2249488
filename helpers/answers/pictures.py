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
PDF_IMAGE_DPI = 180  # more cannot be told from it in print, and takes megabytes
COLUMNS = 6  # images beside each other
TILE = 64  # pixels a side, at most, of the images behind a cell


def as_pdf(figure: "Figure") -> bytes:
    """Give a figure as vectors, as PDF; the same figure gives the same bytes.

    Of pictures with fewer pixels than print can show, it holds these pixels; larger ones are reduced.
    """
    stream, small = io.BytesIO(), [image for image in _images(figure) if _is_small(image)]
    for image in small:
        image.set_interpolation("none")
    figure.savefig(stream, format="pdf", dpi=PDF_IMAGE_DPI, metadata={"CreationDate": None})
    for image in small:
        image.set_interpolation("nearest")
    return stream.getvalue()


def _images(figure: "Figure") -> list["AxesImage"]:
    return [image for axes in figure.axes for image in axes.images if image.get_interpolation() == "nearest"]


def _is_small(image: "AxesImage") -> bool:
    """Tell whether a picture has at most the pixels that its axes, as they were last laid out, have in print."""
    axes = image.axes
    inches = np.array(axes.get_window_extent().size) / axes.figure.dpi
    return max(np.flip(image.get_size()) / inches) <= PDF_IMAGE_DPI


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
