"""An image made of known pixels comes out as these, whatever file, depth, shape or transparency it has."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.base.words import parts
from helpers.data import survey as survey_module
from helpers.data.datasets import load_dataset
from helpers.data.decode import decode, is_picture
from helpers.data.options import Options
from helpers.data.sources import Giver
from helpers.data.survey import survey

SIDE = 48
LEVELS = np.kron(np.array([[10, 80], [150, 220]]), np.ones((SIDE // 2, SIDE // 2), int))  # what must come out
COLOURS = np.dstack([LEVELS, LEVELS[::-1], LEVELS[:, ::-1]])


def encode(pixels: np.ndarray | Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, file_format, **options)
    return stream.getvalue()


def opener(data: bytes | np.ndarray) -> Giver:
    return (lambda: data) if isinstance(data, np.ndarray) else partial(io.BytesIO, data)


def read(files: Sequence[bytes | np.ndarray], options: Options | None = None) -> list[np.ndarray]:
    """Decode files of one data set as a look at them all decides."""
    openers = [opener(data) for data in files]
    pixels = survey(openers, options or Options(image_size=SIDE))
    return [np.asarray(decode(each, pixels)) for each in openers]


def png_of_16_bits(colours: np.ndarray) -> bytes:
    """Write (H, W, 3) uint16 as a PNG, which Pillow cannot."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", colours.shape[1], colours.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


# Bright and dark files of one data set, made from levels of 0 to 255; the first has pixels of the largest value.
DEPTHS: dict[str, tuple[float, Callable[[np.ndarray], bytes | np.ndarray]]] = {
    "8 bits": (1, lambda levels: encode(levels.astype(np.uint8))),
    "8 bits in 16": (1, lambda levels: encode(levels.astype(np.uint16))),
    "10 bits in 16": (1023 / 255, lambda values: encode(values.astype(np.uint16))),
    "12 bits in 16": (4095 / 255, lambda values: encode(values.astype(np.uint16))),
    "16 bits": (257, lambda values: encode(values.astype(np.uint16))),
    "12 bits in a TIFF": (4095 / 255, lambda values: encode(values.astype(np.uint16), "TIFF")),
    "16 bits in a PGM": (257, lambda v: b"P5 %d %d 65535\n" % v.shape[::-1] + v.astype(">u2").tobytes()),
    "32 bits": (4095 / 255, lambda values: encode(values.astype(np.int32), "TIFF")),
    "floats up to 1": (1 / 255, lambda values: encode(values.astype(np.float32), "TIFF")),
    "floats up to 255": (1, lambda values: encode((values + 0.2 * (values == 10)).astype(np.float32), "TIFF")),
    "12 bits of colour in a PNG": (4095 / 255, lambda v: png_of_16_bits(np.dstack([v] * 3).astype(np.uint16))),
    "16 bits of colour in a PNG": (257, lambda v: png_of_16_bits(np.dstack([v] * 3).astype(np.uint16))),
    "12 bits of colour in a TIFF": (
        4095 / 255,
        lambda v: tiff(np.dstack([v] * 3).astype(np.uint16), photometric="rgb"),
    ),
    "an array of bytes": (1, lambda values: values.astype(np.uint8)),
    "an array of floats": (1 / 255, lambda values: values.astype(np.float32)),
}


@pytest.mark.parametrize("case", DEPTHS)
def test_depth_is_what_is_used_on_one_scale_for_all(case: str) -> None:
    factor, write = DEPTHS[case]
    scale = (lambda levels: levels * factor) if factor < 1 else (lambda levels: np.floor(levels * factor))
    white, dark = read([write(scale(np.where(LEVELS > 200, 255, LEVELS))), write(scale(LEVELS // 4))])
    assert white.shape == (SIDE, SIDE, 1)
    assert np.abs(white[..., 0].astype(int) - np.where(LEVELS > 200, 255, LEVELS)).max() <= 1
    assert np.abs(dark[..., 0].astype(int) - LEVELS // 4).max() <= 1  # and not as bright as the other


def test_scale_of_deep_images_is_said() -> None:
    pixels = survey([opener(encode((LEVELS * 16).astype(np.uint16)))], Options())
    assert pixels.bits == 12 and (pixels.black, pixels.white) == (0, 4095)
    assert parts(pixels.notes) == [
        "The values of 1 image reach from 160 to 3,520: on one scale for all, 0 is black and 4,095 white."
    ]
    assert parts(survey([opener(encode(LEVELS.astype(np.uint8)))], Options()).notes) == []


def test_values_below_zero_reach_from_black_to_white() -> None:
    (found,) = read([(LEVELS - 115).astype(np.float32) * 10])
    assert found.min() == 0 and found.max() == 255 and np.all(np.diff(np.unique(found)) > 40)


def test_of_four_bands_of_16_bits_the_first_three_are_seen_and_of_many_a_reason_is_given() -> None:
    bands = np.dstack([COLOURS, LEVELS]).astype(np.uint16) * 16
    (seen,) = read([tiff(bands, photometric="rgb", extrasamples=["unspecified"])])
    assert np.abs(seen.astype(int) - COLOURS).max() <= 2
    many = tiff(np.dstack([LEVELS] * 13).astype(np.uint16), photometric="minisblack", planarconfig="contig")
    assert "save three of these as PNG" in str(decode(opener(many), survey([opener(bands)], Options(image_size=SIDE))))


def test_colours_of_16_bits_keep_their_channels() -> None:
    deep = (COLOURS * 16).astype(np.uint16)
    for data in (png_of_16_bits(deep), tiff(deep, photometric="rgb"), deep):
        (found,) = read([data])
        assert found.shape == (SIDE, SIDE, 3) and np.abs(found.astype(int) - COLOURS * 16 * 255 / 4095).max() <= 1


FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "BMP": {},
    "GIF": {},
    "TIFF": {},
    "PPM": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95},
    "HEIF": {"quality": 95},
}


@pytest.mark.parametrize("name", FORMATS)
def test_picture_is_read_by_its_content_whatever_its_ending(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    for number, kind in enumerate(("cat", "dog")):
        for index in range(10):
            (tmp_path / "mine" / kind).mkdir(parents=True, exist_ok=True)
            levels = (LEVELS - index - 40 * number).clip(0).astype(np.uint8)
            (tmp_path / "mine" / kind / f"{index}.png").write_bytes(encode(levels, name, **FORMATS[name]))
    dataset = load_dataset(str(tmp_path / "mine"), tmp_path / "cache")
    assert dataset.skipped == () and dataset.image_shape == (SIDE, SIDE, 1)
    for image, label in zip(dataset.train.images, dataset.train.labels, strict=True):
        errors = [np.median(np.abs(image[..., 0] - (LEVELS - i - 40.0 * label).clip(0))) for i in range(10)]
        assert min(errors) <= 2
    assert is_picture(encode(LEVELS.astype(np.uint8), name)[:16])


@pytest.mark.parametrize("name", ["BigTIFF", "AVIF", "HEIF"])
def test_picture_without_an_ending_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    for kind in ("cat", "dog"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for index in range(10):
            levels = (LEVELS - index - 20 * (kind == "dog")).clip(0).astype(np.uint8)
            data = tiff(levels, bigtiff=True) if name == "BigTIFF" else encode(levels, name, **FORMATS[name])
            (tmp_path / "mine" / kind / f"{index}").write_bytes(data)
    dataset = load_dataset(str(tmp_path / "mine"), tmp_path / "cache")
    assert dataset.skipped == () and dataset.class_names == ("cat", "dog")
    images = np.concatenate([split.images for split in (dataset.train, dataset.validation, dataset.test)])
    assert len(images) == 20 and np.abs(np.median(images, axis=0)[..., 0] - LEVELS + 14.5).max() <= 7


@pytest.mark.parametrize(
    "head", [b"a,b\n1,2", b"PK\x03\x04" + bytes(12), b"%PDF-1.7", b"\0\0\x08\x03" + bytes(12), b""]
)
def test_what_is_no_picture_is_not_taken_for_one(head: bytes) -> None:
    assert not is_picture(head)


# colour


def test_one_coloured_image_among_many_is_enough() -> None:
    grey = [opener(encode(LEVELS.astype(np.uint8)))] * 2000
    as_colours = [opener(encode(np.dstack([LEVELS] * 3).astype(np.uint8)))] * 5
    assert not survey([*grey, *as_colours], Options()).colour
    assert survey([*grey, opener(encode(COLOURS.astype(np.uint8))), *grey], Options()).colour


def test_an_image_is_in_colour_when_its_colours_differ_clearly() -> None:
    tinged = np.dstack([LEVELS, LEVELS + 5, LEVELS]).astype(np.uint8)
    stained = tinged.copy()
    stained[0, 0] = (200, 20, 20)
    for pixels, coloured in ((tinged, False), (stained, True)):
        for data in (encode(pixels), pixels):
            assert survey([opener(data)], Options()).colour == coloured


# shape and size


WIDE = np.repeat(np.repeat([[10, 80, 150, 220]], SIDE, 0), SIDE // 2, 1).astype(np.uint8)  # twice as wide as high


@pytest.mark.parametrize(
    ("fit", "row"),
    [
        ("crop", np.repeat([80, 150], SIDE // 2)),
        ("stretch", np.repeat([10, 80, 150, 220], SIDE // 4)),
    ],
)
def test_wide_image_is_made_square_as_was_chosen(fit: str, row: np.ndarray) -> None:
    (found,) = read([encode(WIDE)], Options(fit=fit, image_size=SIDE))
    inner = np.abs(np.gradient(row)) == 0  # beside the edges
    assert np.abs(found[SIDE // 2, :, 0].astype(int) - row)[inner].max() <= 12


def test_padding_keeps_all_and_adds_black() -> None:
    (found,) = read([encode(WIDE)], Options(fit="pad", image_size=SIDE))
    assert found[:10].max() == 0 and found[-10:].max() == 0
    assert np.abs(found[SIDE // 2, 6 :: SIDE // 4, 0].astype(int) - [10, 80, 150, 220]).max() <= 3


def test_what_cropping_loses_is_told_where_it_is_over_a_quarter() -> None:
    square, wide = opener(encode(WIDE[:, :SIDE])), opener(encode(WIDE))
    pixels = survey([square, wide], Options())
    assert pixels.cropped == 0.25 and "more than a quarter off 1 of 2 images, up to 50%" in parts(pixels.notes)[0]
    slightly = opener(encode(WIDE[:, : SIDE + 12]))
    assert parts(survey([square, slightly], Options()).notes) == []
    assert parts(survey([square, wide], Options(fit="pad")).notes) == []


@pytest.mark.parametrize(
    ("side", "count", "expected"),
    [(28, 20, 48), (48, 20, 48), (64, 20, 64), (100, 20, 96), (128, 20, 128), (300, 20, 128), (160, 3750, 64)],
)
def test_size_follows_the_data_within_bounds(side: int, count: int, expected: int) -> None:
    image = opener(encode(np.zeros((side, side + 8), np.uint8)))
    assert survey([image] * count, Options()).size == expected
    assert survey([image] * 20, Options(image_size=40)).size == 40 and survey([image], Options(), 48).size == 48


def test_sides_of_a_large_photograph_are_not_those_of_its_draft() -> None:
    photograph = opener(encode(np.zeros((400, 900), np.uint8), "JPEG"))
    assert survey([photograph], Options()).cropped == pytest.approx(5 / 9)


# transparency and pages


def drawing(level: int) -> bytes:
    """A square of one level in the middle of nothing."""
    opacity = np.zeros((SIDE, SIDE), np.uint8)
    opacity[12:36, 12:36] = 255
    return encode(np.dstack([np.full_like(opacity, level), opacity]))


@pytest.mark.parametrize(
    ("levels", "ground"),
    [([0, 30], 255), ([255, 240], 0), ([255, 0, 250, 10], 128), ([90], 255), ([0] * 9 + [255], 128)],
)
def test_transparent_images_are_laid_on_the_ground_that_keeps_them_visible(levels: list[int], ground: int) -> None:
    for level, found in zip(levels, read([drawing(level) for level in levels]), strict=True):
        assert found[0, 0] == ground and abs(int(found[24, 24, 0]) - level) <= 1


def test_opaque_images_with_a_channel_for_transparency_are_not_counted_as_transparent() -> None:
    opaque = np.dstack([LEVELS, np.full_like(LEVELS, 255)]).astype(np.uint8)
    assert parts(survey([opener(encode(opaque))], Options()).notes) == []


@pytest.mark.parametrize("name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_pages_the_first_is_taken_and_they_are_counted(name: str) -> None:
    options = {"lossless": True} if name == "WEBP" else {}
    pages = [Image.fromarray(255 - LEVELS.astype(np.uint8))]
    book = encode(LEVELS.astype(np.uint8), name, save_all=True, append_images=pages, **options)
    assert parts(survey([opener(book)] * 3, Options()).notes) == [
        "Of 3 files with several pages or pictures, the first is taken."
    ]
    assert np.abs(read([book])[0][..., 0].astype(int) - LEVELS).max() <= 1


def test_what_cannot_be_read_is_passed_over() -> None:
    good, bad = opener(encode(LEVELS.astype(np.uint8))), opener(b"nothing")
    assert survey([bad, good], Options()) == survey([good], Options())
    assert survey([bad], Options()).size == survey_module._AT_LEAST


def test_images_of_odd_size_are_counted_and_the_oddest_is_named() -> None:
    usual = [encode(LEVELS[:40].astype(np.uint8)) for _ in range(8)]
    small, long = (encode(np.full(shape, 90, np.uint8)) for shape in ((10, 12), (48, 400)))
    names = [f"{place}.png" for place in range(10)]
    notes = parts(survey([opener(data) for data in (*usual, small, long)], Options(), names=names).notes)
    said = [note for note in notes if "as short or as long" in note]
    assert len(said) == 1 and said[0].startswith("A side of 2 of 10 images, such as 9.png, is at least 3 times")
    assert said[0].endswith("the median's, 40 x 48 pixels: the oddest has 48 x 400.")
    assert not any("as short" in note for note in parts(survey([opener(data) for data in usual], Options()).notes))
