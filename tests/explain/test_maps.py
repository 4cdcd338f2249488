"""What is measured of maps agrees with values worked out by hand."""

import numpy as np
import pytest

from helpers.explain import maps as measures


class TestMasks:
    @pytest.mark.parametrize("fraction", [0, 0.1, 0.25, 1])
    def test_keep_exactly_the_fraction(self, fraction):
        maps = np.random.default_rng(5).normal(size=(3, 10, 12))
        maps[1] = 0  # ties everywhere
        mask = measures.top_fraction_mask(maps, fraction)
        assert (mask.sum(axis=(1, 2)) == round(fraction * 120)).all()

    def test_keep_the_largest_magnitudes(self):
        maps = np.random.default_rng(6).normal(size=(3, 10, 12))
        mask = measures.top_fraction_mask(maps, 0.2)
        for one, kept in zip(np.abs(maps), mask, strict=True):
            assert one[kept].min() > one[~kept].max()

    def test_fraction_out_of_range_is_an_error(self):
        with pytest.raises(ValueError, match="between 0 and 1"):
            measures.top_fraction_mask(np.ones((1, 2, 2)), 1.5)


class TestMeans:
    def test_shares_sum_to_one_whatever_the_scale(self):
        maps = np.random.default_rng(7).normal(size=(3, 4, 5)) * np.array([1e-6, 1, 1e6])[:, None, None]
        maps[1] = 0
        shares = measures.relevance_share(maps)
        np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)
        np.testing.assert_allclose(shares[0] / np.abs(maps[0]), 1 / np.abs(maps[0]).sum(), rtol=1e-5)

    def test_by_class(self):
        maps = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
        means = measures.mean_map_by_class(maps, np.array([0, 2, 2, 0]), class_count=3)
        np.testing.assert_array_equal(means[:, 0, 0], [1.5, np.nan, 1.5])
