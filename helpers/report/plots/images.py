"""Images and grids of tiles, as they are."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from skimage.util import montage

from helpers.base.words import Said, said
from helpers.report.plots import style
from helpers.report.plots.style import DIVERGING, MISTAKE, SEQUENTIAL, TEXT_WIDTH, drawn, letters_in, new_figure, wrap


def show_image(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Draw one image (H, W, C) or (H, W) in 0..255 without axes."""
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    grey = pixels.ndim == 2 or pixels.shape[-1] == 1
    axes.imshow(pixels.squeeze() if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=255)
    hide_axes(axes, title)


def as_png(pixels: np.ndarray, side: int = 0) -> bytes:
    """Write an image (H, W, C) uint8 as PNG, its pixels enlarged as squares until it has `side` of them a side."""
    scale = max(1, -(-side // max(pixels.shape[:2])))
    large = np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1)
    content = BytesIO()
    Image.fromarray(large.squeeze(-1) if large.shape[-1] == 1 else large).save(content, "PNG", compress_level=1)
    return content.getvalue()


def framed_mosaic(images: np.ndarray, marked: np.ndarray, columns: int, rows: int, frame: int = 3) -> np.ndarray:
    """Lay images (N, H, W, C) uint8 out in a sheet (rows, columns), each in a frame: RGB uint8.

    marked: (N,) bool, which have the frame of what is wrong and a corner cut off; the others' frames are white.
    """
    height, width = (side + 2 * frame for side in images.shape[1:3])
    tiles = np.full((rows * columns, height, width, 3), 255, np.uint8)
    mistake = np.frombuffer(bytes.fromhex(MISTAKE[1:]), np.uint8)
    tiles[: len(images)][marked] = mistake
    tiles[: len(images), frame:-frame, frame:-frame] = images
    corner = np.add.outer(np.arange(height), np.arange(width)) < min(height, width) // 4
    tiles[: len(images)][marked] = np.where(corner[..., np.newaxis], mistake, tiles[: len(images)][marked])
    sheet = tiles.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, 3)


def in_colours(values: np.ndarray, signed: bool, colours: str = SEQUENTIAL) -> np.ndarray:
    """Colour a map (H, W) in -1..1, or in 0..1 where it is not signed, as figures do, nan white: (H, W, 3) uint8.

    colours: of matplotlib, where it is not signed.
    """
    share = values / 2 + 0.5 if signed else values
    coloured = colormaps[DIVERGING if signed else colours](share, bytes=True)[..., :3]
    return np.where(np.isnan(values)[..., np.newaxis], np.uint8(255), coloured)


def hide_axes(axes: Axes, title: str = "") -> None:
    """Take ticks and frame off an image's axes and give it a title."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=style.SMALL, pad=2)


def mosaic(tiles: np.ndarray, columns: int, gap: int = 1, fill_value: float = np.nan) -> np.ndarray:
    """Lay tiles (N, H, W) or (N, H, W, C) out in one array, row by row, `gap` > 0 pixels apart: float32."""
    coloured = tiles.ndim == 4
    fill, shape = [fill_value] * (tiles.shape[-1] if coloured else 1), (-(-len(tiles) // columns), columns)
    axis = -1 if coloured else None
    sheet = montage(tiles.astype(np.float32), fill, grid_shape=shape, padding_width=gap, channel_axis=axis)
    return sheet[gap:-gap, gap:-gap]


def label_mosaic(axes: Axes, rows: int, columns: int, height: int, width: int, gap: int = 1) -> None:
    """Number the rows and columns of a mosaic along its edges, from 1."""
    axes.set_xticks([i * (width + gap) + (width - 1) / 2 for i in range(columns)], [str(i + 1) for i in range(columns)])
    axes.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(rows)], [str(i + 1) for i in range(rows)])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def mosaic_columns(count: int) -> int:
    """Columns of a mosaic of this many tiles that is about as high as it is wide."""
    return int(np.ceil(np.sqrt(count)))


def place_name(i: int, count: int) -> Said:
    """Say where tile i of a mosaic of `count` tiles stands."""
    columns = mosaic_columns(count)
    return said("figures.place", row=i // columns + 1, column=i % columns + 1)


@drawn
def image_grid(
    images: np.ndarray,
    titles: Sequence[str],
    columns: int = 7,
    wrong: Sequence[bool] = (),
    places: Sequence[int] | None = None,
) -> Figure:
    """Show images (N, H, W, C) in 0..255 in rows of `columns`, each under its title.

    wrong: which titles stand in the colour of what is wrong, none without it; places: the cell of each image,
    counted row by row from 0; without it they follow each other.
    """
    places = range(len(images)) if places is None else places
    rows = max(places) // columns + 1
    lines = 1 + max(title.count("\n") for title in titles)
    figure = new_figure(rows * (TEXT_WIDTH / columns + 0.13 * lines) + 0.05)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_visible(False)
    for image, title, place, is_wrong in zip(images, titles, places, wrong or [False] * len(images)):
        grid[place].set_visible(True)
        show_image(grid[place], image, title)
        grid[place].title.set_color(MISTAKE if is_wrong else "black")
    return figure


@drawn
def prediction_grid(
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    columns: int = 7,
    row_per_pair: bool = False,
) -> Figure:
    """Show images with true class, predicted class and its probability; wrong ones are titled in red with a cross.

    row_per_pair: begin a new row wherever the pair of true and predicted class changes.
    """
    titles, letters = [], letters_in(TEXT_WIDTH / columns - 0.06)
    for label, guess, sure in zip(labels, predicted, confidence):
        mark = "\N{CHECK MARK}" if label == guess else "\N{MULTIPLICATION SIGN}"
        answered = wrap(f"{mark} {class_names[guess]} {sure:.0%}", letters)
        titles.append(f"{wrap(class_names[label], letters)}\n{answered}")
    places = _pair_places(labels, predicted, columns) if row_per_pair else None
    return image_grid(images, titles, columns, [*(labels != predicted)], places)


def _pair_places(labels: np.ndarray, predicted: np.ndarray, columns: int) -> list[int]:
    places: list[int] = []
    for i, pair in enumerate(zip(labels, predicted)):
        same = i > 0 and pair == (labels[i - 1], predicted[i - 1])
        following = places[-1] + 1 if places else 0
        places.append(following if same else -(-following // columns) * columns)
    return places


@drawn
def image_rows(rows: Mapping[str, np.ndarray], titles: Sequence[str] = ()) -> Figure:
    """Show rows of images, each row (K, H, W, C) in 0..255 under one name at its left, the columns under titles."""
    columns = max(map(len, rows.values()))
    figure = new_figure(0.2 * bool(titles) + len(rows) * (TEXT_WIDTH - 0.9) / columns + 0.05)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows.items()):
        for axes in line[len(images) :]:
            axes.set_visible(False)
        for axes, image in zip(line, images):
            show_image(axes, image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=style.SMALL)
    for axes, title in zip(grid[0], titles):
        axes.set_title(title, fontsize=style.SMALL, pad=2)
    return figure
