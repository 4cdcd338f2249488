"""Figures as files: what a PDF holds of the pictures in it."""

import io

import matplotlib
import numpy as np
import pytest
from pypdf import PdfReader

from helpers.answers.pictures import PDF_IMAGE_DPI, as_pdf, as_png


def sizes(side: int, interpolation: str = "nearest") -> list[tuple[int, int]]:
    """Give the sizes of the pictures in the PDF of a figure of two inches that shows one of so many pixels a side."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(2, 2))
    pixels = np.random.default_rng(0).random((side, side))
    axes = figure.add_axes((0, 0, 1, 1))
    image = axes.imshow(pixels, interpolation=interpolation)
    as_png(figure)
    page = PdfReader(io.BytesIO(as_pdf(figure))).pages[0]
    assert image.get_interpolation() == interpolation
    plt.close(figure)
    return [picture.image.size for picture in page.images if picture.image]


@pytest.mark.parametrize(("side", "times"), [(6, 4), (48, 4), (100, 2), (300, 1)])
def test_of_a_picture_of_few_pixels_each_is_held_as_a_square(side: int, times: int) -> None:
    assert sizes(side) == [(side * times, side * times)]


def test_one_of_more_pixels_than_print_can_show_is_reduced() -> None:
    [(width, height)] = sizes(800)
    assert abs(width - 2 * PDF_IMAGE_DPI) <= 1 and abs(height - 2 * PDF_IMAGE_DPI) <= 1


def test_what_is_smoothed_stays_smooth() -> None:
    [(width, _)] = sizes(6, "bilinear")
    assert width > 6
