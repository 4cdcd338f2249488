"""Networks whose evidence is known by construction: the table ranks the true map first and a random order last."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawn import draw_faces

from helpers.data import faces
from helpers.data.faces import traits
from helpers.explain import registry
from helpers.grade import faithfulness, grading, insertion, scorecard
from helpers.grade.ranking import find_leader

SETTINGS = {"samples": 4, "steps": 4, "masks": 60, "copies": 60, "segments": 16, "randomised": 4, "draws": 2}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch):
    """Lets a test register the true map as a method."""
    monkeypatch.setattr(registry, "METHODS", registry.METHODS.copy())

    def register(explain) -> None:
        registry.method("truth", signed=True, passes="few", source="by construction, 2026")(explain)

    return register


def ranked(grades: grading.Grades) -> list[str]:
    """Order methods and baselines by their mean rank, the best first."""
    return scorecard.table(grades)[scorecard.RANK].sort_values().index.tolist()


def test_of_a_linear_network_what_each_pixel_adds_comes_first_and_a_random_order_last(registered):
    random = np.random.default_rng(0)
    weights = np.zeros((24, 24))
    weights[4:14, 6:18] = random.normal(size=(10, 12)) / 300
    pixels = keras.Input((24, 24, 1))
    model = keras.Model(pixels, keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(pixels)))
    model.layers[-1].set_weights([np.stack([weights.ravel(), -weights.ravel()], axis=1)])
    images = random.integers(0, 256, (40, 24, 24, 1)).astype(np.uint8)
    signs = np.array([1, -1])

    def truth(model, images, classes, baseline="blur"):
        rise = images[..., 0] - insertion.substrate(images, baseline)[..., 0].astype(float)
        return (rise * weights * signs[classes][:, None, None]).astype(np.float32)

    registered(truth)
    methods = ["truth", "gradient", "integrated gradients (black)", "occlusion", "RISE"]
    probabilities = keras.ops.softmax(model.predict(images, verbose=0)).numpy()
    labels = probabilities.argmax(axis=1)
    evidence = np.broadcast_to(weights != 0, (40, 24, 24))
    grades = grading.grade(model, images, labels, probabilities, evidence, grading.Settings(**SETTINGS), methods)
    order = ranked(grades)
    assert order[0] == "truth" and order[-1] == insertion.RANDOM
    assert grades.evidence[1, 0].min() == 1
    assert next(one.values["best"] for one in scorecard.sentences(grades) if "best" in one.values) == "truth"


class TestOneActionUnit:
    """A small network learns to tell an open jaw from a closed one, on faces in which nothing else varies with it."""

    JAW = list(faces.ACTION_UNITS).index(26)

    @pytest.fixture(scope="class")
    @classmethod
    def drawn(cls) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images with the unit, the same without it, and which of the two is a person's."""
        intensities = np.zeros((500, len(faces.ACTION_UNITS)), np.float32)
        rest = draw_faces(intensities, seed=0)
        intensities[:, cls.JAW] = np.random.default_rng(0).uniform(0.6, 1, 500)
        acting = draw_faces(intensities, seed=0)
        pair = [np.clip(np.rint(one), 0, 255).astype(np.uint8)[..., None] for one in (acting, rest)]
        return pair[0], pair[1], np.arange(500) % 2

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, drawn) -> keras.Model:
        acting, rest, labels = drawn
        keras.utils.set_random_seed(0)
        layers = keras.layers
        pixels = keras.Input((48, 48, 1))
        tensor = layers.Rescaling(1 / 64, offset=-2)(pixels)
        for filters in (8, 16):
            tensor = layers.Conv2D(filters, 3, strides=2, padding="same")(tensor)
            tensor = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(tensor))
        model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(tensor)))
        model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        shown = np.where((labels == 1)[:, None, None, None], acting, rest)
        model.fit(shown[:420], labels[:420], 32, epochs=8, verbose=0)
        return model

    def test_what_its_pixels_add_comes_first_of_all_methods_a_random_order_last_and_the_network_reads_it_there(
        self, drawn, network, registered
    ):
        acting, rest, _ = (values[420:460] for values in drawn)
        change = acting.astype(np.float32) - rest
        evidence = np.abs(change)[..., 0] > traits.EVIDENCE_THRESHOLD

        def truth(model, images, classes):
            """Share out the rise of the logit on the way from the face at rest, which no method knows."""
            slopes, step = 0, change[: len(images)]
            for share in (np.arange(16) + 0.5) / 16:
                with tf.GradientTape() as tape:
                    tape.watch(shown := tf.constant(images - (1 - share) * step, tf.float32))
                    logits = tf.gather(model(shown), classes, axis=1, batch_dims=1)
                slopes = slopes + tape.gradient(logits, shown).numpy()
            return (slopes * step)[..., 0].astype(np.float32)

        registered(truth)
        probabilities = keras.ops.softmax(network.predict(acting, verbose=0)).numpy()
        labels = np.ones(40, int)
        assert (probabilities.argmax(axis=1) == labels).mean() > 0.9
        whole, without, kept = faithfulness.prove(network, acting, labels, evidence, rest).mean(axis=1)
        assert without < 0.2 and kept > whole - 0.1
        settings = grading.Settings(**SETTINGS, backgrounds=drawn[0][:4])
        grades = grading.grade(network, acting, labels, probabilities, evidence, settings, redrawn=(rest, rest))
        assert {*registry.METHODS} == {*grades.methods}
        # A blurred face differs from a face elsewhere, too: the truth is known where the unit alone is taken away.
        logit = grades.gains[:, list(grades.substrates).index(grading.SAME_IMAGE), -1, 1]
        leader = find_leader(grades.methods, logit[: len(grades.methods)])
        assert "truth" in [leader.name, *leader.tied] and len(leader.tied) < 4
        # From black, an open mouth, which is black, counts nothing: that is worse than chance.
        worse = insertion.intervals(logit - logit[list(grades.names).index(insertion.RANDOM)], seed=0)[1] < 0
        assert {*grades.names[worse]} <= {"gradient × input (black)", "integrated gradients (black)"}
        order = [name for name in ranked(grades) if name not in grades.names[worse]]
        assert all(order.index("truth") < order.index(name) for name in ("gradient", "Grad-CAM", *insertion.BASELINES))
