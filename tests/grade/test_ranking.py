"""Who is first: leaders that images bear out, and agreement between rankings."""

import numpy as np
import pytest

from helpers.grade import ranking

NOISE = np.random.default_rng(0).normal(0, 0.1, (3, 60))


def test_a_leader_is_alone_only_where_the_images_say_so():
    far = ranking.find_leader(["a", "b", "c"], np.array([0.5, 0.3, 0.1])[:, None] + NOISE)
    assert (far.name, far.tied) == ("a", []) and far.value == pytest.approx(0.5, abs=0.05)
    near = ranking.find_leader(["a", "b", "c"], np.array([0.3, 0.3, 0.1])[:, None] + NOISE)
    assert {near.name, *near.tied} == {"a", "b"}


def test_names_that_are_alike_on_every_image_are_tied():
    found = ranking.find_leader(["a", "b"], np.repeat(NOISE[:1], 2, axis=0))
    assert found.tied == ["b"]


def test_chance_alone_makes_a_leader_in_few_data_sets():
    random = np.random.default_rng(1)
    alone = [not ranking.find_leader(["a", "b"], random.normal(size=(2, 60)), seed=i).tied for i in range(100)]
    assert sum(alone) < 15


def test_ranks_begin_at_the_highest_value_and_equals_share_theirs():
    np.testing.assert_array_equal(ranking.rank(np.array([[3.0], [9.0], [3.0]])), [[2.5], [1], [2.5]])


def test_ranks_over_resampled_images_scatter_about_those_of_all_images():
    values = np.array([[0.4, 0.1], [0.1, 0.4], [0.0, 0.0]])[:, :, None] + NOISE[:, None]
    mean = ranking.resampled_ranks(values, seed=0).mean(axis=1)
    np.testing.assert_allclose(mean, [1.5, 1.5, 3], atol=0.1)


class TestAgreement:
    def test_the_same_order_agrees_fully_and_opposite_ones_not_at_all(self):
        order = np.arange(1, 7)
        assert ranking.kendalls_w(np.stack([order] * 3, axis=1)) == 1
        assert ranking.kendalls_w(np.stack([order, order[::-1]], axis=1)) == 0

    def test_unrelated_orders_agree_by_one_over_their_number_on_average(self):
        random = np.random.default_rng(0)
        found = [ranking.kendalls_w(random.permuted(np.tile(np.arange(9), (3, 1)), axis=1).T + 1) for _ in range(400)]
        assert np.mean(found) == pytest.approx(1 / 3, abs=0.02)

    def test_it_is_the_mean_rank_correlation_on_another_scale_ties_or_not(self):
        ranks = np.array([[1, 1.5], [2, 1.5], [3, 3], [4, 4]])  # with two rankings W = (1 + r) / 2
        found = np.corrcoef(ranks.T)[0, 1]
        assert ranking.kendalls_w(ranks) == pytest.approx((1 + found) / 2, abs=0.02)

    def test_one_name_has_no_order(self):
        assert np.isnan(ranking.kendalls_w(np.ones((1, 3))))
