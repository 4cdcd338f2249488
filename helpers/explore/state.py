"""What the page is about, as one plain object: what was chosen, and what the network makes of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from io import BytesIO
from typing import Any, TypeVar

import keras
import numpy as np
import pandas as pd

from helpers.answers import as_png
from helpers.base import words
from helpers.base.code import code_digest
from helpers.base.keeper import network_digest
from helpers.base.notebook import UsageError
from helpers.base.words import Said, said
from helpers.build.explain.explainer import COPIES, SEGMENTS, Explainer
from helpers.build.explain.pictures import Picture, read_picture
from helpers.data import audit, decode, faces
from helpers.explain import activations, ascent, maps, registry, superpixels
from helpers.explain.saliency import Settings
from helpers.explore.edits import Edit, squares
from helpers.grade import calibration, confusion, regions
from helpers.networks import architectures
from helpers.networks.fast import accelerate
from helpers.networks.layers import Layer
from helpers.networks.logits import all_probabilities
from helpers.networks.precision import supports_bfloat16
from helpers.run import Run

T = TypeVar("T")
PAGE = 48  # images of a page of the gallery
SLOW = 0.3  # seconds from which a result is kept in a file, and not in memory alone
REMEMBERED = 500  # results in memory
ORDERS = ("place", "sure", "unsure", "wrong")
MARKS = ("", "suspects", "near")
LIGHT = ("light_x", "light_y", "brightness", "contrast")  # traits of schematic faces
STEPS, ROUND, TOP_IMAGES, REGION_IMAGES = 190, 10, 8, 100  # of an ascent; steps between two looks; images of a filter
PARTS = ("superpixels", "squares")
HIDING = ("occlusion", "RISE", "LIME")  # methods that only ask for answers, hundreds, so that bfloat16 is good enough


@dataclass(frozen=True)
class Filter:
    """Which test images are shown: of a true and a predicted class, right or wrong, of a confidence, and marked ones.

    None lets all through; low, high: ends of the calibrated probability of the answer; mark: one of MARKS.
    """

    true: int | None = None
    predicted: int | None = None
    right: bool | None = None
    low: float = 0.0
    high: float = 1.0
    mark: str = ""


@dataclass(frozen=True)
class Face:
    """What a schematic face is drawn from: the person, by place in the test split, action units, and light by name."""

    number: int = 0
    units: tuple[float, ...] = (0.0,) * len(faces.ACTION_UNITS)
    light: tuple[tuple[str, float], ...] = ()


@dataclass
class State:
    """What was chosen of one run, and what follows from it.

    picture: the image that all tabs are about; place: where it stands in the test split, None where it does not; label:
    the class that is explained; methods: those shown side by side; signed: for and against, or else how much; top: the
    share of the pixels that is left; edit, parts, side: what is changed of the picture, and the parts that can be
    hidden; face: what is drawn in place of the picture, if a schematic face is posed; layer, filter_number: number of
    the convolution, from 1, and of the filter in it, from 0; depth: place in `stages`.
    """

    run: Run
    filter: Filter = field(default_factory=Filter)
    order: str = ORDERS[0]
    page: int = 0
    place: int | None = None
    methods: tuple[str, ...] = ()
    signed: bool = True
    overlay: bool = False
    top: float = 0.1
    edit: Edit = field(default_factory=Edit)
    parts: str = PARTS[0]
    side: int = 8
    face: Face | None = None
    layer: int = 1
    filter_number: int = 0
    depth: int = 0
    memory: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.explainer = Explainer(self.run)
        self.model, self.names = self.run.cnn().model, self.run.dataset.class_names
        known = [one.name for one in registry.choose((), self.model)]
        usual = ("gradient", "SmoothGrad", "Grad-CAM") if not self.explainer.ranks else ()
        best = [one.name for one in self.explainer.methods]
        self.methods = self.methods or tuple(name for name in usual if name in known) or tuple(best)
        self.known_methods = tuple(known)
        # Here and not when first asked, which may be of a copy of this state.
        self._makers = [code_digest(State), network_digest(self.model), self.run.dataset.digest, self.run.seed]
        self.choose(int(np.argmax(self.predicted == self.run.dataset.test.labels)))

    # What the run says of its test images.

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The calibrated probabilities of the test images: (N, classes) float32."""
        return calibration.calibrate(self.run.probabilities(), self.explainer.temperature)

    @property
    def predicted(self) -> np.ndarray:
        """The network's answers to the test images: (N,) int64."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def counts(self) -> np.ndarray:
        """The confusion matrix of the test images: (classes, classes) int64."""
        return confusion.matrix(self.run.dataset.test.labels, self.predicted, len(self.names))

    def marked(self, mark: str) -> np.ndarray:
        """Say which test images are marked, one of MARKS: (N,) bool; takes long when first asked."""
        return self._once("marked", (mark,), self._suspected if mark == "suspects" else self.run.near_twins)

    def _suspected(self) -> np.ndarray:
        test = self.run.dataset.test
        table = audit.find_suspects(test.images, test.labels, self.run.probabilities(), self.run.seed).table
        return np.isin(np.arange(len(test.labels)), table["place"].to_numpy(int))

    # The gallery.

    def places(self) -> np.ndarray:
        """Give the places of the test images that the filter lets through, in their order: (K,) int64."""
        chosen, labels = self.filter, self.run.dataset.test.labels
        sure = self.probabilities.max(axis=1)
        kept = (sure >= chosen.low) & (sure <= chosen.high)
        if chosen.true is not None:
            kept &= labels == chosen.true
        if chosen.predicted is not None:
            kept &= self.predicted == chosen.predicted
        if chosen.right is not None:
            kept &= (self.predicted == labels) == chosen.right
        if chosen.mark:
            kept &= self.marked(chosen.mark)
        own = self.probabilities[np.arange(len(labels)), labels]
        keys = {"place": 0 * sure, "sure": -sure, "unsure": sure, "wrong": own}
        order = np.argsort(keys[self.order], kind="stable")
        return order[kept[order]]

    def pages(self) -> int:
        """Count the pages of the gallery, at least one."""
        return max(1, -(-len(self.places()) // PAGE))

    def on_page(self) -> np.ndarray:
        """Give the places of the images on the page that is open; (<= PAGE,) int64."""
        return self.places()[self.page * PAGE : (self.page + 1) * PAGE]

    def narrow(self, **changes: Any) -> None:
        """Change the filter or the order; the gallery begins at its first page again."""
        self.order = changes.pop("order", self.order)
        self.filter, self.page = replace(self.filter, **changes), 0

    # One image.

    def choose(self, place: int) -> None:
        """Choose a test image; what was changed of the one before is forgotten, and its answer is explained."""
        test = self.run.dataset.test
        self.take(Picture(f"test:{place}", np.asarray(test.images[place]), int(test.labels[place])), place)

    def take(self, picture: Picture, place: int | None = None) -> None:
        """Choose any picture of the size that the network takes."""
        self.picture, self.place, self.edit, self.face = picture, place, Edit(), None
        self.label = int(self.probabilities_of(picture.pixels).argmax())

    def probabilities_of(self, pixels: np.ndarray) -> np.ndarray:
        """Ask the network about one image (H, W, C): calibrated, (classes,) float32."""
        raw = all_probabilities(self.model, pixels[np.newaxis])
        return calibration.calibrate(raw, self.explainer.temperature)[0]

    @cached_property
    def settings(self) -> Settings:
        """What methods are asked with."""
        return replace(self.explainer.settings, copies=COPIES, segments=SEGMENTS)

    def map_of(self, name: str) -> np.ndarray:
        """Explain the chosen class of the picture by a method: (H, W) float32, signed or else from 0 up."""
        asked = registry.METHODS[name], self.picture.pixels, self.label, self.signed
        values = self._once("map", asked, lambda: self._explain(*asked))
        return values if self.signed else np.abs(values)

    def _explain(self, method: registry.Method, pixels: np.ndarray, label: int, signed: bool) -> np.ndarray:
        model = _predictor(self.model) if method.name in HIDING else self.model
        return method.explain(model, pixels[np.newaxis], np.array([label]), self.settings, signed=signed)[0]

    def top_share(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Mark the top pixels of a map (H, W): bool; and say which share of the relevance they hold."""
        mask = maps.top_fraction_mask(values[np.newaxis], self.top)
        return mask[0], float(maps.concentration(values[np.newaxis], self.top)[0])

    def _once(self, name: str, asked: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Give what is computed of these, from memory; what took long is kept in a file as well."""
        key = sha256(repr([name, *map(_told, asked)]).encode()).hexdigest()
        if key in self.memory:
            return self.memory[key]
        keeper, kept, made_from = self.run.keeper, f"explore_{name}", [self._makers, key]
        if keeper.path(kept, made_from).is_file():
            found = keeper.keep(kept, made_from, compute)
        else:
            began = time.monotonic()
            found = compute()
            if time.monotonic() - began > SLOW:
                keeper.keep(kept, made_from, lambda: found)
        while len(self.memory) >= REMEMBERED:
            self.memory.pop(next(iter(self.memory)))
        self.memory[key] = found
        return found

    # What if?

    @property
    def draws_faces(self) -> bool:
        """Say whether the images are schematic faces, which can be drawn anew."""
        return self.run.dataset.evidence is not None and self.run.dataset.name.startswith("faces")

    def own_face(self) -> Face:
        """Say what the face that is posed, or else the chosen test image, or the first, was drawn from."""
        place = self.place or 0
        units, light = faces.describe_face("test", place, int(self.run.dataset.test.labels[place]), LIGHT)
        return self.face or Face(place, tuple(units.tolist()), tuple(light.items()))

    def base(self) -> np.ndarray:
        """Give the picture before anything was changed of it, or the face that is posed: (H, W, C) uint8."""
        if self.face is None:
            return self.picture.pixels
        drawn = faces.draw_again("test", self.face.number, np.array(self.face.units), dict(self.face.light))
        side = self.picture.pixels.shape[0]
        return drawn if side == faces.SIZE else decode.scale(drawn[np.newaxis], side)[0]

    def part_map(self) -> np.ndarray:
        """Cut the picture into the parts that can be hidden: (H, W) int64."""
        pixels = self.picture.pixels
        if self.parts == "squares":
            return squares(pixels.shape, self.side)
        return self._once("parts", (pixels,), lambda: superpixels.segment(pixels, SEGMENTS))

    def edited(self) -> np.ndarray:
        """Give the picture with what was changed of it: (H, W, C) uint8."""
        return self.edit.apply(self.base(), self.part_map())

    def hide_at(self, row: int, column: int) -> None:
        """Hide the part that is seen at a pixel of the changed picture, or show it again."""
        self.edit = self.edit.toggle(int(self.edit.move_parts(self.part_map())[row, column]))

    # Filters and layers.

    @property
    def convolutions(self) -> list[Layer]:
        """The convolutions of the network, in order."""
        return architectures.convolutions(self.model)

    @property
    def convolution(self) -> Layer:
        """The convolution that is looked into."""
        return self.convolutions[self.layer - 1]

    def climb(self, look: Callable[[np.ndarray], None], again: bool = False) -> np.ndarray:
        """Give the image (H, W, C) uint8 that raises the filter most, found from noise or, again, from the picture.

        look: is given the image after every ROUND of steps, and may end the ascent by raising an error.
        """
        layer, chosen, pixels = self.convolution, [self.filter_number], self.picture.pixels
        start = pixels.astype(np.float32) if again else ascent.grey_noise(pixels.shape, self.run.seed)

        def compute() -> np.ndarray:
            image = start
            for number in range(STEPS // ROUND):
                found = ascent.maximise_filters(self.model, layer, chosen, ROUND, seed=number, start=image)
                image = found.images[0]
                look(image.round().astype(np.uint8))
            return image.round().astype(np.uint8)

        return self._once("climb", (self.layer, self.filter_number, start), compute)

    def responses(self) -> np.ndarray:
        """Give each filter's mean output on each test image: (N, F) float32."""
        images, layer = self.run.dataset.test.images, self.convolution
        return self._once("responses", (self.layer,), lambda: ascent.filter_responses(self.model, [layer], images)[0])

    def favourites(self) -> np.ndarray:
        """Name the test images that the filter answers most, the strongest first: (TOP_IMAGES,) int64."""
        return np.argsort(-self.responses()[:, self.filter_number], kind="stable")[:TOP_IMAGES]

    def filter_map(self) -> np.ndarray:
        """Give the filter's output on the picture, after its activation, as shares of its highest: (h, w) float32."""
        layer = ascent.rectified(self.model, self.convolution)
        values = ascent.filter_outputs(self.model, layer, self.picture.pixels)[self.filter_number]
        return values.clip(min=0) / max(float(values.max()), 1e-30)

    def sought(self, made: np.ndarray) -> Said:
        """Say what the filter seeks: the pattern of the image made for it, regions, and classes."""
        asked = self.layer, self.filter_number
        attended = self._once("attended", asked, self._attended)
        own = self.responses()[:, self.filter_number]
        liked = regions.preferred(own, self.run.dataset.test.labels, self.names)
        texture = ascent.texture(made[np.newaxis].astype(np.float32)).iloc[0]
        place = said("explore.filters.place", layer=self.layer, number=self.filter_number)
        return regions.filter_sentence(place, texture, attended, liked)

    def _attended(self) -> pd.DataFrame:
        drawn = self.run.random_sample(REGION_IMAGES, bounded=True)
        layer = ascent.rectified(self.model, self.convolution)
        outputs = ascent.filter_maps(self.model, layer, drawn.images)[..., [self.filter_number]]
        return regions.filter_attention(outputs, regions.find_regions(self.run.dataset, drawn))

    @property
    def stages(self) -> list[str]:
        """The layers that rectify or pool a map, in order."""
        return activations.stages(self.model)

    def layer_maps(self) -> np.ndarray:
        """Give what the layer at the depth makes of the picture: (channels, h, w) float32."""
        layer, pixels = self.model.get_layer(self.stages[self.depth]), self.picture.pixels
        return self._once("layer", (self.depth, pixels), partial(ascent.filter_outputs, self.model, layer, pixels))

    # A picture of one's own.

    def read(self, name: str, content: bytes) -> Picture:
        """Read a file as the run's data were. Raises UsageError where it is no picture."""
        found = read_picture(name, lambda: BytesIO(content), self.run.dataset)
        if isinstance(found, str):
            raise UsageError(found)
        return found

    def explained(self, language: str) -> dict[str, Any]:
        """Explain the picture as `make explain` does, in a language: its page, and "png"."""

        def compute() -> dict[str, Any]:
            numbers, draw = self.explainer.explain(self.picture)
            return self.explainer.page(numbers) | {"png": np.frombuffer(as_png(draw()), np.uint8)}

        with words.use(language):
            return self._once("page", (self.picture.pixels, self.picture.name, language), compute)


@lru_cache(maxsize=2)
def _predictor(model: keras.Model) -> keras.Model:
    return accelerate(model, "bfloat16" if supports_bfloat16() else "float32").predictor()


def _told(value: Any) -> Any:
    """Name a value by what tells it from others."""
    if isinstance(value, registry.Method):
        return value.name
    return sha256(value.tobytes()).hexdigest() if isinstance(value, np.ndarray) else value
