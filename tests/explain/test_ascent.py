"""Properties of gradient ascent, filter responses and deep dream, on models whose answer is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.base.keeper import VALUES
from helpers.explain import ascent
from helpers.explain.ascent import climbing, maximise
from helpers.networks import chunks
from helpers.networks.architectures import enlarge
from helpers.networks.inference import call

STRAIGHT = ascent.Settings(step_size=2, jitter=0, frequency_decay=0)


def rises(history: np.ndarray) -> bool:
    """Whether each column of (measured, F) rises in its first three steps, and from start to end."""
    return bool((np.diff(history[:4], axis=0) > 0).all() and (history[-1] > history[0]).all())


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Two convolutions with batch normalization and a dense end, as the suite's networks have."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 1))
    tensor = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for filters in (4, 6):
        tensor = layers.Conv2D(filters, 3, padding="same")(tensor)
        tensor = layers.ReLU()(layers.BatchNormalization()(tensor))
    tensor = layers.Flatten()(layers.MaxPooling2D()(tensor))
    return keras.Model(inputs, layers.Dense(3)(tensor))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)


def dream_of(model: keras.Model, layer: keras.layers.Layer, image: np.ndarray, **options) -> ascent.Dream:
    return ascent.deep_dreams(model, layer, image[np.newaxis], **options)[0]


def convolution(model: keras.Model, number: int) -> keras.layers.Layer:
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D)][number - 1]


def linear_model(kernel: np.ndarray, bias: np.ndarray | None = None, strides: int = 1) -> keras.Model:
    """A single convolution with a given kernel (h, w, C, F), then a ReLU; input 8x8."""
    height, width, channels, filters = kernel.shape
    inputs = keras.Input((8, 8, channels))
    layer = layers.Conv2D(filters, (height, width), strides)
    built = keras.Model(inputs, layers.ReLU()(layer(inputs)))
    layer.set_weights([kernel.astype(np.float32), np.zeros(filters) if bias is None else bias])
    return built


@pytest.mark.parametrize("settings", [STRAIGHT, ascent.Settings(step_size=1, jitter=0)])
@pytest.mark.parametrize("number", [1, 2])
def test_ascent_raises_every_filters_objective(model, number, settings):
    assert rises(ascent.maximise_filters(model, convolution(model, number), steps=30, settings=settings).objective)


def test_rises_can_fail(model):
    history = ascent.maximise_filters(model, convolution(model, 2), steps=30, settings=STRAIGHT).objective
    late_dip = history.copy()
    late_dip[2, -1] = late_dip[1, -1]
    assert not rises(history[::-1])
    assert not rises(late_dip)


def test_ascent_with_jitter_raises_the_objective_of_the_unshifted_image(model):
    found = ascent.maximise_filters(model, convolution(model, 2), steps=60, settings=ascent.Settings(jitter=2))
    assert (found.gain > 0).all()


def test_objective_is_the_mean_output_of_the_image_that_is_returned(model):
    layer = convolution(model, 2)
    found = ascent.maximise_filters(model, layer, [4, 1], steps=5, keep=(0, 2, 4))
    assert found.measured.tolist() == [0, 2, 4, 5]
    for images, objective in zip([*found.snapshots.values(), found.images], found.objective, strict=True):
        outputs = keras.Model(model.inputs[0], layer.output)(images).numpy().mean(axis=(1, 2))
        np.testing.assert_allclose(objective, outputs[[0, 1], [4, 1]], rtol=1e-4, atol=1e-6)
    assert np.abs(np.diff(found.objective, axis=0)).min() > 1e-4  # rows that are mistaken for others are found out


def test_an_ascent_is_read_back_as_it_was_written(model):
    found = ascent.maximise_filters(model, convolution(model, 2), [4, 1], steps=3, keep=(0, 2))
    read = VALUES.read(VALUES.write(found))
    for name in ("filters", "images", "measured", "objective"):
        np.testing.assert_array_equal(getattr(read, name), getattr(found, name))
    assert read.snapshots.keys() == {0, 2} and (read.snapshots[2] == found.snapshots[2]).all()


def test_an_ascent_without_moved_views_measures_every_step(model):
    found = ascent.maximise_filters(model, convolution(model, 2), [4], steps=5, settings=STRAIGHT)
    assert found.measured.tolist() == [0, 1, 2, 3, 4, 5] and found.objective.shape == (6, 1)


def test_each_image_suits_its_own_filter_best(model):
    layer = convolution(model, 2)
    found = ascent.maximise_filters(model, layer, steps=60, settings=STRAIGHT)
    responses = ascent.filter_responses(model, [layer], found.images)[0]
    assert (responses.argmax(axis=0) == np.arange(6)).all()


def test_ascent_reaches_a_known_optimum():
    kernel = np.stack([np.array([[1, -1]]), np.array([[-1, 1]])], axis=-1)[:, :, np.newaxis]
    found = ascent.maximise_filters(
        linear := linear_model(kernel, strides=2), convolution(linear, 1), steps=120, settings=STRAIGHT
    )
    stripes = np.tile([255.0, 0.0], (8, 4))
    np.testing.assert_allclose(found.objective[-1], 255, rtol=1e-3)
    np.testing.assert_allclose(found.images[0, ::2, :, 0], stripes[::2], atol=1e-3)
    np.testing.assert_allclose(found.images[1, ::2, :, 0], 255 - stripes[::2], atol=1e-3)


def test_short_ascent_has_not_reached_the_optimum():
    linear = linear_model(np.array([[1.0, -1.0]])[:, :, np.newaxis, np.newaxis], strides=2)
    found = ascent.maximise_filters(linear, convolution(linear, 1), steps=10, settings=STRAIGHT)
    assert found.objective[-1, 0] < 255 * (1 - 1e-3)


def test_step_size_is_the_root_mean_square_move(model):
    settings = ascent.Settings(step_size=1.5)
    found = ascent.maximise_filters(model, convolution(model, 2), steps=1, settings=settings, keep=(0,))
    moves = np.sqrt(np.mean((found.images - found.snapshots[0]) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(moves, 1.5, rtol=1e-3)


def test_a_step_is_not_spent_on_pixels_that_cannot_move():
    images = np.full((1, 2, 2, 1), 255.0, np.float32)
    images[0, 0, 0] = 100
    gradient = np.full((1, 2, 2, 1), 50.0, np.float32)
    gradient[0, 0, 0] = 1
    moved = climbing.ascend(tf.constant(images), tf.constant(gradient), STRAIGHT).numpy()
    np.testing.assert_allclose(moved[0, 0, 0], 100 + 2 * 2, rtol=1e-5)


def test_dividing_by_frequency_is_symmetric_positive_and_prefers_coarse_waves():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 1, 9, 6, 2)).astype(np.float32)
    divided = [climbing.divide_by_frequency(values, 1.0).numpy() for values in (first, second)]
    assert np.vdot(first, divided[0]) > 0
    assert np.vdot(second, divided[0]) == pytest.approx(np.vdot(first, divided[1]), rel=1e-4)
    wave = np.cos(2 * np.pi * np.arange(12) / 12 * np.array([[1], [4]]))[:, np.newaxis, :, np.newaxis]
    coarse, fine = climbing.divide_by_frequency(wave.astype(np.float32), 1.0).numpy().std(axis=(1, 2, 3))
    assert coarse == pytest.approx(4 * fine, rel=1e-4)


def test_a_dead_filter_rises_before_its_relu_and_not_after():
    dead = linear_model(np.ones((1, 1, 1, 1)), bias=np.array([-1000.0]))
    before = ascent.maximise_filters(dead, convolution(dead, 1), steps=5, settings=STRAIGHT)
    after = ascent.maximise_filters(dead, ascent.rectified(dead, convolution(dead, 1)), steps=5)
    assert rises(before.objective)
    assert (after.objective == 0).all()


def test_same_seed_same_images_other_seed_others(model):
    layer = convolution(model, 2)
    first, again, other = (ascent.maximise_filters(model, layer, steps=4, seed=seed).images for seed in (3, 3, 4))
    assert (first == again).all()
    assert np.abs(first - other).max() > 1


def test_chunks_do_not_change_the_result(model, monkeypatch):
    layer = convolution(model, 2)
    whole = ascent.maximise_filters(model, layer, steps=4)
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 4 * chunks.gradient_bytes(model, (12, 12, 1)))
    split = ascent.maximise_filters(model, layer, steps=4)
    np.testing.assert_allclose(whole.images, split.images, atol=0.1)
    np.testing.assert_allclose(whole.objective, split.objective, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "request_", [{"filters": [6]}, {"filters": [-1]}, {"filters": []}, {"steps": 0}, {"keep": [191]}]
)
def test_impossible_ascents_are_errors(model, request_):
    with pytest.raises(ValueError, match=r"choose from 0 to 5|at least 1|steps 0 to 190"):
        ascent.maximise_filters(model, convolution(model, 2), **request_)


@pytest.mark.parametrize("values", [{"step_size": 0}, {"jitter": -1}, {"frequency_decay": -1}])
def test_settings_out_of_range_are_errors(values):
    with pytest.raises(ValueError, match=f"(?i){next(iter(values)).replace('_', '.')} is"):
        ascent.Settings(**values)


def test_images_stay_in_range_and_are_finite_where_steps_are_long(model):
    settings = ascent.Settings(step_size=20, jitter=3)
    found = ascent.maximise_filters(model, convolution(model, 2), steps=80, settings=settings)
    assert np.isfinite(found.images).all() and np.isfinite(found.objective).all()
    assert found.images.min() >= 0 and found.images.max() <= 255


def test_keeping_an_image_on_the_way_does_not_change_the_end(model):
    once, twice = (
        ascent.maximise_filters(model, convolution(model, 2), steps=6, keep=keep).images for keep in ((), (3,))
    )
    np.testing.assert_allclose(once, twice, atol=0.05)


def test_brightest_image_is_strongest_for_a_brightness_filter():
    grey = np.array([10, 250, 90])[:, np.newaxis, np.newaxis, np.newaxis] * np.ones((1, 8, 8, 1))
    linear = linear_model(np.array([1.0, -1.0]).reshape(1, 1, 1, 2))
    indices, _ = ascent.rank_images(ascent.filter_responses(linear, [convolution(linear, 1)], grey)[0], top_k=3)
    assert indices.tolist() == [[1, 2, 0], [0, 2, 1]]


def test_the_shortcut_through_a_plain_convolution_changes_neither_images_nor_objective(model):
    """An activation that does nothing stands between the filters and the shortcut."""
    layer = convolution(model, 2)
    same = layers.Activation("linear")(layer.output)
    detour = keras.Model(model.inputs[0], same)
    settings = ascent.Settings(frequency_decay=0, jitter=1)
    short, long = (
        ascent.maximise_filters(one, at, [1, 4], steps=8, settings=settings)
        for one, at in ((model, layer), (detour, detour.layers[-1]))
    )
    assert maximise._is_plain_convolution(layer) and not maximise._is_plain_convolution(detour.layers[-1])
    np.testing.assert_allclose(short.objective, long.objective, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(short.images, long.images, atol=0.1)
    assert np.abs(short.images - long.images[::-1]).max() > 0.1


def test_ascent_follows_the_weights(model):
    outer = keras.models.clone_model(model)
    layer = convolution(outer, 2)
    before, dreamt = (make() for make in two_pictures(outer, layer))
    outer.set_weights([-values for values in outer.get_weights()[:2]] + outer.get_weights()[2:])
    after, dreamt_after = (make() for make in two_pictures(outer, layer))
    assert np.abs(after - before).max() > 1
    assert np.abs(dreamt_after - dreamt).max() > 1


def two_pictures(model: keras.Model, layer: keras.layers.Layer):
    yield lambda: ascent.maximise_filters(model, layer, [0], steps=3).images
    yield lambda: dream_of(model, layer, np.full((12, 12, 1), 90, np.uint8), octaves=1, steps=3).image


@pytest.mark.parametrize("side", [1, 2])
def test_tiny_blank_and_saturated_images_give_finite_pictures(side):
    inputs = keras.Input((side, side, 3))
    layer = layers.Conv2D(2, 3, padding="same")
    tiny = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.ReLU()(layer(inputs)))))
    found = ascent.maximise_filters(tiny, layer, steps=4)
    assert np.isfinite(found.images).all() and np.isfinite(found.objective).all()
    for level in (0, 255):
        dream = dream_of(tiny, layer, np.full((side, side, 3), level), steps=3)
        assert np.isfinite(dream.image).all() and np.isfinite(dream.objective).all()


def chain(depth: int, side: int = 12) -> list[keras.layers.Layer]:
    """Build so many convolutions, of which each makes the maps smaller by a pixel."""
    pixels = keras.Input((side, side, 1))
    tensor, made = pixels, [keras.layers.Conv2D(2, 2) for _ in range(depth)]
    for layer in made:
        tensor = layer(tensor)
    return made


def test_depth_is_the_default_the_middle_or_an_error():
    assert [ascent.choose_depth(chain(depth, 40)) for depth in (9, 7, 5, 4, 1)] == [7, 7, 3, 2, 1]
    assert ascent.choose_depth(chain(5), 4) == 4
    with pytest.raises(ValueError, match="1 to 5"):
        ascent.choose_depth(chain(5), 6)


def test_the_depth_is_that_nearest_to_the_default_at_which_something_can_be_seen():
    assert ascent.choose_depth(chain(9)) == 6  # whose maps are the last with six places a side
    assert ascent.choose_depth(chain(9), 8) == 8  # a wish is a wish
    assert ascent.choose_depth(chain(9, side=10)) == 4
    assert ascent.choose_depth(chain(3, side=5)) == 2  # nowhere: as if all could be seen


def test_layer_of_another_model_is_an_error(model):
    stranger = convolution(linear_model(np.ones((1, 1, 1, 1))), 1)
    with pytest.raises(ValueError, match="not part of the model"):
        ascent.maximise_filters(model, stranger)


def test_filter_outputs_equal_a_convolution_written_out():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 2)).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (3, 3), axis=(0, 1))
    expected = np.einsum("ijcuv,uvcf->fij", windows, kernel)
    linear = linear_model(kernel)
    np.testing.assert_allclose(
        ascent.filter_outputs(linear, convolution(linear, 1), image), expected, rtol=1e-3, atol=1e-2
    )


@pytest.mark.parametrize("by", ["mean", "size"])
def test_strongest_images_are_the_strongest(model, images, by):
    layer = convolution(model, 2)
    indices, responses = ascent.rank_images(ascent.filter_responses(model, [layer], images, by)[0], top_k=3)
    maps = np.stack([ascent.filter_outputs(model, layer, image) for image in images])
    expected = {"mean": maps.mean(axis=(2, 3)), "size": abs(maps).max(axis=(2, 3))}[by]
    np.testing.assert_allclose(responses, np.sort(expected, axis=0)[:-4:-1].T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected.T, indices, axis=1), responses, rtol=1e-4, atol=1e-5)


def test_responses_do_not_depend_on_the_chunks(model, images, monkeypatch):
    layers_ = [convolution(model, 1), convolution(model, 2)]
    together = ascent.filter_responses(model, layers_, images)
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 7 * chunks.forward_bytes(model, (12, 12, 1)))
    for whole, split in zip(together, ascent.filter_responses(model, layers_, images), strict=True):
        np.testing.assert_allclose(whole, split, rtol=1e-4, atol=1e-6)


def test_silent_filters_are_those_that_no_image_wakes(images):
    kernel, bias = np.ones((1, 1, 1, 3)), np.array([0.0, -256.0, -200.0])
    crafted = linear_model(kernel, bias)
    layer = [convolution(crafted, 1)]
    small = images[:, :8, :8]
    assert ascent.silent_filters(crafted, layer, small)[0].tolist() == [False, True, False]
    assert ascent.silent_filters(crafted, layer, small // 2)[0].tolist() == [False, True, True]
    bent = keras.Model(crafted.inputs, layers.ELU()(layer[0].output))
    assert not ascent.silent_filters(bent, layer, small)[0].any()  # what ELU leaves of a negative number is not zero


def test_impossible_requests_for_responses_are_errors(model, images):
    layer = convolution(model, 1)
    with pytest.raises(ValueError, match="mean, size"):
        ascent.filter_responses(model, [layer], images, by="median")


def test_rectified_finds_the_relu_or_else_the_convolution_itself(model):
    assert ascent.rectified(model, convolution(model, 1)) is next(
        layer for layer in model.layers if isinstance(layer, layers.ReLU)
    )
    inputs = keras.Input((8, 8, 1))
    bare = keras.Model(inputs, layers.ReLU()(layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3)(inputs)))))
    assert ascent.rectified(bare, convolution(bare, 1)) is convolution(bare, 1)  # not the ReLU of the dense layer


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("times", "parts"), [(4, 3), (3, 2)])
def test_the_receptive_field_of_a_network_that_enlarges_images_is_the_farthest_reach_of_a_pixel(depth, times, parts):
    inputs = tensor = keras.Input((24, 24, 1))
    tensor = layers.AveragePooling2D(parts)(layers.UpSampling2D(times, interpolation="bilinear")(tensor))
    for _ in range(depth):
        tensor = layers.Conv2D(1, 3, padding="same", kernel_initializer="ones")(tensor)
    built = keras.Model(inputs, tensor)
    probes = np.zeros((24, 24, 24, 1), np.float32)
    probes[np.arange(24), 12, np.arange(24)] = 1
    seen = built.predict(probes, verbose=0)[:, 12 * times // parts, :, 0] > 0  # (pixel, output)
    assert ascent.receptive_field(built, convolution(built, depth)) == seen.sum(axis=0).max()


def test_receptive_field_equals_the_reach_of_the_gradient():
    inputs = keras.Input((33, 33, 1))
    tensor = layers.MaxPooling2D()(layers.Conv2D(2, 5, strides=2, padding="same")(inputs))
    built = keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(tensor))
    last = convolution(built, 2)
    probes = np.zeros((34, 33, 33, 1), np.float32)
    probes[np.arange(1, 34), 16, np.arange(33)] = 1e3
    centre = ascent.cut_model(built, last)(probes).numpy()[:, 4, 4, 0]
    assert ascent.receptive_field(built, last) == 15
    # Max pooling hides a pixel that does not win, and a probe alone always wins or loses against zero.
    reached = np.flatnonzero(centre[1:] != centre[0])
    assert 12 <= np.ptp(reached) + 1 <= 15


def test_any_size_gives_the_same_values_at_the_original_size(model, images):
    layer = convolution(model, 2)
    fixed, free = (ascent.cut_model(model, layer, any_size=any_size) for any_size in (False, True))
    np.testing.assert_allclose(fixed(images), free(images), rtol=1e-5, atol=1e-6)
    assert free(np.zeros((1, 20, 31, 1))).shape == (1, 20, 31, 6)


@pytest.mark.parametrize("octaves", [1, 3])
def test_deep_dream_raises_its_objective_and_keeps_the_shape(model, images, octaves):
    layer = ascent.rectified(model, convolution(model, 2))
    dream = dream_of(model, layer, images[0], octaves=octaves, steps=10, settings=STRAIGHT)
    before, after = ascent.dream_objective(model, layer, np.stack([images[0], dream.image]))
    assert rises(dream.objective.T)
    assert after > 1.05 * before
    assert dream.image.shape == images[0].shape
    assert dream.image.min() >= 0 and dream.image.max() <= 255


def test_deep_dream_objective_at_the_original_size_is_that_of_its_image(model, images):
    layer = ascent.rectified(model, convolution(model, 2))
    dream = dream_of(model, layer, images[0], octaves=1, steps=5)
    ends = ascent.dream_objective(model, layer, np.stack([images[0], dream.image]))
    np.testing.assert_allclose(dream.objective[0, [0, -1]], ends, rtol=1e-4)


@pytest.mark.parametrize("factor", [(3, 2), (2, 1), (4, 3)])
def test_a_network_that_enlarges_its_images_dreams_at_any_size(images, factor):
    pixels = keras.Input((12, 12, 1))
    first = layers.Conv2D(3, 3, padding="same")(enlarge(layers.Rescaling(1 / 255)(pixels), factor))
    network = keras.Model(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.ReLU()(first))))
    dream = dream_of(network, convolution(network, 1), images[0], octaves=2, steps=6)
    assert dream.image.shape == (12, 12, 1) and np.isfinite(dream.image).all()
    assert dream.objective[-1, -1] > dream.objective[-1, 0]
    free = ascent.cut_model(network, convolution(network, 1), any_size=True)
    batch = tf.cast(images[:3], tf.float32)
    at_any = tf.function(lambda given: call(free, given), input_signature=[tf.TensorSpec((None, None, None, 1))])
    np.testing.assert_allclose(at_any(batch), ascent.cut_model(network, convolution(network, 1))(batch), atol=1e-5)


def test_deep_dream_is_seeded_and_works_in_colour():
    photo = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    coloured = linear_model(np.random.default_rng(1).normal(size=(3, 3, 3, 4)))
    layer = ascent.rectified(coloured, convolution(coloured, 1))
    first, again, other = (dream_of(coloured, layer, photo, steps=4, seed=seed).image for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    assert first.shape == photo.shape


def test_dreams_of_a_batch_are_those_of_its_images(model, images):
    layer = ascent.rectified(model, convolution(model, 2))
    together = ascent.deep_dreams(model, layer, images[:2], octaves=2, steps=4, seed=3)
    for image, found in zip(images, together):
        alone = dream_of(model, layer, image, octaves=2, steps=4, seed=3)
        np.testing.assert_allclose(found.image, alone.image, atol=0.05)
        np.testing.assert_allclose(found.objective, alone.objective, rtol=1e-3)
        assert found.sizes == alone.sizes
    assert np.abs(together[0].image - together[1].image).max() > 1


def test_the_strongest_change_is_marked_whatever_its_sign_and_channel():
    before = np.full((2, 4, 5, 3), 100, np.uint8)
    after = before.astype(np.float32)
    after[0, 1, 2, 0], after[0, 3, 4, 2] = 160, 50
    after[1] += np.arange(20).reshape(4, 5, 1)
    marked = ascent.strongest_change(before, after, 0.1)
    assert marked.shape == (2, 4, 5)
    np.testing.assert_array_equal(np.argwhere(marked[0]), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.argwhere(marked[1]), [[3, 3], [3, 4]])
    for share in (0, 1.5):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            ascent.strongest_change(before, after, share)


@pytest.mark.parametrize("request_", [{"octaves": 0}, {"octave_scale": 0}, {"steps": 0}])
def test_impossible_dreams_are_errors(model, images, request_):
    with pytest.raises(ValueError, match="at least 1"):
        dream_of(model, convolution(model, 2), images[0], **request_)


def stripes(angle: float, wave: float) -> np.ndarray:
    """Draw lines at an angle to the level, turning as the clock does not, so many pixels from one to the next."""
    turned = np.radians(angle)
    across = np.arange(32) * np.sin(turned) + np.arange(32)[:, np.newaxis] * np.cos(turned)
    return 127 + 100 * np.sin(2 * np.pi * across / wave)[..., np.newaxis]


@pytest.mark.parametrize(("angle", "wave"), [(0, 4), (30, 5), (90, 8), (135, 4)])
def test_texture_knows_the_angle_and_the_distance_of_lines(angle: float, wave: float) -> None:
    found = ascent.texture(stripes(angle, wave)[np.newaxis]).iloc[0]
    assert found["alignment"] > 0.9
    assert abs((found["angle"] - angle + 90) % 180 - 90) < 5
    assert found["wave"] == pytest.approx(wave, rel=0.15)


def test_texture_finds_no_direction_in_noise_or_a_grid() -> None:
    noise = np.random.default_rng(0).uniform(0, 255, (32, 32, 1))
    flat = np.full((32, 32, 1), 200.0)
    found = ascent.texture(np.stack([noise, stripes(0, 4) + stripes(90, 4), flat]))
    assert (found["alignment"] < 0.2).all() and np.isfinite(found).all(axis=None)


def test_a_network_that_joins_maps_of_several_sizes_dreams_at_the_sizes_that_it_takes():
    pixels = keras.Input((12, 12, 1))
    maps = layers.Conv2D(3, 3, padding="same", activation="relu")(pixels)
    smaller = layers.UpSampling2D()(layers.MaxPooling2D()(maps))
    joined = layers.Conv2D(2, 3, padding="same", activation="relu")(layers.Concatenate()([maps, smaller]))
    network = keras.Model(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(joined)))
    dream = dream_of(
        network, network.layers[-3], np.full((12, 12, 1), 99, np.uint8), octaves=3, octave_scale=1.25, steps=2
    )
    assert dream.sizes == ((12, 12),)
