"""The tabs on the inside of the network: single filters, and all layers."""

import html
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from helpers.base import words
from helpers.explain import activations
from helpers.explore.state import State
from helpers.explore.views import MAP, Picture, Tiles, View, column, row
from helpers.explore.worker import Turn
from helpers.report import plots

CHANNELS = 64  # most channels of a layer that are shown


class Filters(View):
    """A filter: what raises it most, what it answers, and where."""

    key = "filters"

    @classmethod
    def fits(cls, state: State) -> bool:
        """A network without convolutions has no filters."""
        return bool(state.convolutions)

    def build(self) -> widgets.Widget:
        numbers = [(self.say("filters.convolution", number=n), n) for n in range(1, len(self.state.convolutions) + 1)]
        self.layer = self.labelled(widgets.Dropdown, "layer", self._layer, options=numbers, value=self.state.layer)
        reach = {"value": self.state.filter_number, "min": 0, "max": self.state.convolution.output.shape[-1] - 1}
        self.number = self.labelled(widgets.BoundedIntText, "number", self.sets("filter_number"), **reach)
        self.made, self.answer, self.again = (Picture(MAP, self.say(f"filters.{n}")) for n in ("made", "map", "again"))
        self.favourites = Tiles(rows=1, columns=8, width=560, label=self.say("filters.favourites"))
        self.favourites.observe(self.page.does(lambda change: self._picked(change["new"])), "picked")
        self.told = widgets.HTML()
        climb = self.button("climb", self._climb, "arrow-up")
        places = {"made": self.made, "map": self.answer, "again": self.again}
        shown = row(*(column(widgets.HTML(html.escape(self.say(f"filters.{n}"))), places[n]) for n in places))
        self.climbed = shown.children[-1]
        best = column(widgets.HTML(html.escape(self.say("filters.favourites"))), self.favourites)
        keep = self.page.keep_button(self._figure)
        return column(row(self.layer, self.number, climb, keep), self.told, shown, best)

    def refresh(self) -> None:
        self.number.max = self.state.convolution.output.shape[-1] - 1
        self.climbed.layout.visibility = "hidden"
        shown = lambda state, turn: plots.as_png(plots.in_colours(state.filter_map(), False), MAP)  # noqa: E731
        self.page.ask("map", shown, self.answer.show)
        self.page.ask("filter", self._found, self._show)

    def _found(self, state: State, turn: Turn) -> dict[str, Any]:
        made = state.climb(partial(self._look, turn, self.made))
        places, test = state.favourites(), state.run.dataset.test
        sheet = plots.framed_mosaic(np.asarray(test.images[places]), np.zeros(len(places), bool), 8, 1)
        with words.use(self.page.language):
            told = words.show(state.sought(made))
        labels = [state.names[label] for label in test.labels[places]]
        names = [self.say("filters.favourite", place=p, label=label) for p, label in zip(places.tolist(), labels)]
        return {"made": made, "sheet": sheet, "names": names, "told": told, "places": places}

    def _look(self, turn: Turn, there: Picture, image: np.ndarray) -> None:
        turn.check()
        there.show(plots.as_png(image, MAP))

    def _show(self, found: dict[str, Any]) -> None:
        self.made.show(plots.as_png(found["made"], MAP))
        with self.favourites.hold_sync():
            self.favourites.value, self.favourites.names = plots.as_png(found["sheet"]), found["names"]
        self.places = found["places"]
        self.told.value = f'<div role="status">{html.escape(found["told"])}</div>'

    def _climb(self) -> None:
        self.climbed.layout.visibility = "visible"
        look = partial(self._look, there=self.again)
        job = lambda state, turn: state.climb(lambda image: look(turn, image=image), again=True)  # noqa: E731
        self.page.ask("climb", job, lambda image: self.again.show(plots.as_png(image, MAP)))

    def _layer(self, number: int) -> None:
        self.state.layer, self.state.filter_number = number, 0
        self.number.value = 0
        self.refresh()

    def _picked(self, picked: dict[str, Any]) -> None:
        if picked["kind"] == "pick":
            self.state.choose(int(self.places[picked["column"]]))
            self.page.changed()

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        made, places = state.climb(lambda image: None), state.favourites()[:4]
        images = np.stack([made, state.picture.pixels, *np.asarray(state.run.dataset.test.images[places])])
        titles = [self.say("filters.kept_made"), state.picture.name, *(f"test:{place}" for place in places)]
        with words.use(self.page.language):
            told = words.show(state.sought(made))
        values = {"layer": state.layer, "number": state.filter_number, "told": told}
        return plots.image_grid(images, titles, columns=6), self.say("filters.kept", **values), "5"


class Layers(View):
    """The picture on its way through the network."""

    key = "layers"

    @classmethod
    def fits(cls, state: State) -> bool:
        """A network whose layers give no maps has none to show."""
        return bool(state.stages)

    def build(self) -> widgets.Widget:
        names = activations.layer_labels(self.state.model)
        options = [(self.page.name(names[name]), place) for place, name in enumerate(self.state.stages)]
        depth = {"options": options, "value": self.state.depth}
        self.depth = self.labelled(widgets.SelectionSlider, "depth", self.sets("depth"), **depth)
        self.depth.layout.width = "500px"
        self.sheet, self.mean = Picture(560, self.say("layers.sheet")), Picture(280, self.say("layers.mean"))
        self.told = widgets.HTML()
        keep = self.page.keep_button(self._figure)
        return column(row(self.depth, keep), self.told, row(self.sheet, self.mean))

    def refresh(self) -> None:
        self.page.ask("layers", lambda state, turn: self._drawn(state), self._show)

    def _drawn(self, state: State) -> dict[str, Any]:
        outputs, pixels = state.layer_maps(), state.picture.pixels
        side = int(np.ceil(np.sqrt(min(CHANNELS, len(outputs)))))
        high = max(float(np.percentile(outputs, 99.5)), 1e-30)
        sheet = plots.mosaic(outputs[:CHANNELS].clip(min=0) / high, side, max(1, outputs.shape[1] // 12))
        mean = activations.heatmap(np.moveaxis(outputs, 0, -1), pixels.shape[:2])
        over = 0.6 * plots.in_colours(mean / max(float(mean.max()), 1e-30), False) + 0.4 * pixels
        silent = float((outputs <= 0).all(axis=(1, 2)).mean())
        values = {"channels": len(outputs), "height": outputs.shape[1], "width": outputs.shape[2], "silent": silent}
        told = self.say("layers.told", shown=min(CHANNELS, len(outputs)), **values)
        found = {"sheet": plots.as_png(plots.in_colours(sheet.clip(0, 1), False, plots.CHANNELS), 560), "told": told}
        return found | {"mean": plots.as_png(over.astype(np.uint8), 280)}

    def _show(self, found: dict[str, Any]) -> None:
        self.sheet.show(found["sheet"])
        self.mean.show(found["mean"])
        self.told.value = f'<div role="status">{html.escape(found["told"])}</div>'

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        name = activations.layer_labels(state.model)[state.stages[state.depth]]
        figure = plots.channel_mosaics({name: np.moveaxis(state.layer_maps(), 0, -1)})
        return figure, self.say("layers.kept", layer=name, picture=state.picture.name), "7"
