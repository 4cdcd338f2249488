"""Near-duplicates: pairs of images that a person takes for one, also where one is mirrored, resized or re-compressed.

An image is condensed into its lowest spatial frequencies (the discrete cosine transform). The signs of 8 by 8 of them
are its perceptual hash, 64 bits; mirroring an image changes the signs of the odd horizontal frequencies and nothing
else. Pairs whose hashes differ in at most HAMMING bits are then compared by more frequencies of each channel.
"""

from collections.abc import Iterator

import numpy as np
from scipy.fft import dct

HAMMING = 7  # most bits in which the hashes of candidates differ; below 8, so one byte of the hashes is the same
LIKENESS = 0.86  # least correlation of near-duplicates; tests/data/test_near.py proves it on FER2013
FAINT = 4.0  # grey levels; images with a smaller standard deviation show too little to be compared
MOST = 50  # candidates an image; where there are more, all images are alike and near-duplicates mean nothing
_HASHED, _COMPARED = 8, 14  # frequencies a direction
_CHUNK, _CHUNK_BYTES = 1024, 2**25  # held at a time; the whole data set may be larger than the memory
_BLOCK = 2**22  # pairs of hashes compared at a time
_MIRROR = np.where(np.arange(_COMPARED) % 2, -1, 1).astype(np.float16)


def near_pairs(*splits: np.ndarray) -> np.ndarray | None:
    """Find the pairs of images that are near-duplicates: (P, 2) int64, places in rising order.

    splits: (N, H, W, C) uint8 each; places count through all of them, one after another. Mirrored copies count.
    Images that are faint all over, a few grey levels about their mean, are like no other. None where so many images
    are alike that the question has no meaning. After the perceptual hash of Zauner, 2010, here by signs.
    """
    spectra = np.concatenate([_spectra(images) for images in splits])
    # by Parseval's theorem, the root of the energy is a standard deviation, of what the frequencies show
    energy = np.einsum("ncuv,ncuv->n", spectra, spectra, dtype=np.float32) / spectra.shape[1]
    clear = np.flatnonzero(energy >= FAINT**2)
    found = [_alike(spectra[clear], mirror) for mirror in (np.ones_like(_MIRROR), _MIRROR)]
    if any(pairs is None for pairs in found):
        return None
    return clear[np.unique(np.concatenate([pairs for pairs in found if pairs is not None]), axis=0)]


def chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Read images, which may be memory-mapped, some at a time: few, where they are large."""
    size = max(1, min(_CHUNK, _CHUNK_BYTES // max(1, images[:1].nbytes)))
    return (np.asarray(images[start : start + size]) for start in range(0, len(images), size))


def _spectra(images: np.ndarray) -> np.ndarray:
    """Give the lowest frequencies of each channel in grey levels, without the mean: (N, C, 14, 14) float16."""
    height, width = images.shape[1:3]
    down, across = _cosines(height), _cosines(width)
    spectra = np.empty((len(images), images.shape[3], _COMPARED, _COMPARED), np.float16)
    place = 0
    for chunk in chunks(images):
        channels = np.moveaxis(chunk, 3, 1).astype(np.float32)
        spectra[place : place + len(chunk)] = down @ channels @ across.T
        place += len(chunk)
    spectra[..., 0, 0] = 0
    return spectra


def _cosines(size: int) -> np.ndarray:
    return (dct(np.eye(size), axis=0, norm="ortho")[:_COMPARED] / np.sqrt(size)).astype(np.float32)


def _alike(spectra: np.ndarray, mirror: np.ndarray) -> np.ndarray | None:
    """Find the pairs (i, j), i < j, where i is like j mirrored (or not, as `mirror` says): (P, 2) int64."""
    scale = np.maximum(spectra.std(axis=0, dtype=np.float32), 1e-3) if len(spectra) else np.float32(1)
    candidates = _candidates(_hashes(spectra), _hashes(spectra * mirror))
    if candidates is None:
        return None
    alike = np.zeros(len(candidates), bool)
    for start in range(0, len(candidates), _CHUNK):
        i, j = candidates[start : start + _CHUNK].T
        # Every frequency has the same say; else the lowest, in which all faces are alike, would decide.
        likeness = np.sum(_unit(spectra[i] / scale) * _unit(spectra[j] * mirror / scale), axis=(1, 2, 3))
        alike[start : start + _CHUNK] = likeness >= LIKENESS
    return candidates[alike]


def _unit(spectra: np.ndarray) -> np.ndarray:
    return spectra / np.sqrt((spectra**2).sum(axis=(1, 2, 3), keepdims=True))


def _hashes(spectra: np.ndarray) -> np.ndarray:
    """Give the signs of the lowest frequencies of the mean of the channels: (N, 8) uint8, 64 bits."""
    signs = spectra[:, :, :_HASHED, :_HASHED].mean(axis=1, dtype=np.float32) > 0
    return np.packbits(signs.reshape(len(signs), _HASHED**2), axis=1)


def _candidates(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Find the pairs (i, j), i < j, of hashes first[i] and second[j] with at most HAMMING other bits: (P, 2) int64.

    Two such hashes share at least one of their eight bytes, so only those with a common byte are compared. None
    where there are more than MOST an image.
    """
    words = [hashes.view(np.uint64).ravel() for hashes in (first, second)]
    found, count = [np.empty((0, 2), np.int64)], 0
    for byte in range(8):
        for rows, columns in zip(_buckets(first[:, byte]), _buckets(second[:, byte]), strict=True):
            step = max(1, _BLOCK // max(1, len(columns)))
            for block in (rows[start : start + step] for start in range(0, len(rows), step)):
                i, j = np.nonzero(np.bitwise_count(words[0][block][:, None] ^ words[1][columns]) <= HAMMING)
                pairs = np.stack([block[i], columns[j]], axis=1)
                found.append(pairs[pairs[:, 0] < pairs[:, 1]])
                count += len(found[-1])
                if count > 8 * MOST * len(first):
                    return None
    return np.unique(np.concatenate(found), axis=0)


def _buckets(values: np.ndarray) -> list[np.ndarray]:
    """List the places of each value of a byte, 0 to 255."""
    return np.split(np.argsort(values, kind="stable"), np.cumsum(np.bincount(values, minlength=256))[:-1])
