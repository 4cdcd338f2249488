import numpy as np
import pytest

from helpers.batches import OrderedBatches


@pytest.mark.parametrize(("images", "size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 64, [3])])
def test_batches_hold_every_image_once_in_the_order_given(images: int, size: int, sizes: list[int]) -> None:
    order = np.random.default_rng(0).permutation(images)
    pixels, targets = np.arange(images * 4, dtype=np.uint8).reshape(images, 2, 2, 1), np.arange(images) % 3
    batches = OrderedBatches(pixels, targets, order, size)
    read = [batches[number] for number in range(len(batches))]
    assert [len(part) for part, _ in read] == sizes
    np.testing.assert_array_equal(np.concatenate([part for part, _ in read]), pixels[order])
    np.testing.assert_array_equal(np.concatenate([part for _, part in read]), targets[order])


def test_training_on_batches_gives_the_numbers_of_training_on_arrays() -> None:
    import keras

    random = np.random.default_rng(1)
    images, targets = random.integers(0, 256, (50, 6, 6, 1), dtype=np.uint8), random.integers(0, 3, 50)
    order = random.permutation(50)

    def weights(*data: object, **options: object) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        pixels = keras.Input((6, 6, 1))
        model = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Flatten()(pixels)))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1e-5), loss, jit_compile=False)
        model.fit(*data, epochs=1, shuffle=False, verbose=0, **options)
        return model.get_weights()

    ours = weights(OrderedBatches(images, targets, order, 16))
    for mine, expected in zip(ours, weights(images[order], targets[order], batch_size=16), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert any((mine != other).any() for mine, other in zip(ours, weights(images, targets, batch_size=16), strict=True))
