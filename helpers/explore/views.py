"""The tabs, one class each: widgets that change the state, and that show what it gives; one of these is our own."""

import html
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from helpers.base.notebook import UsageError
from helpers.base.words import Said
from helpers.explain import registry
from helpers.explore.state import MARKS, ORDERS, State
from helpers.grade.confusion import row_shares
from helpers.report import plots

if TYPE_CHECKING:
    from helpers.explore.page import Page


class Tiles(anywidget.AnyWidget):
    """A picture in rows and columns.

    value: PNG; label: what it shows; rows, columns: of cells; inset: shares of the
    picture left, above, right and below them; names: what each cell is, row by row, which is also read aloud; cursor:
    the cell that is framed; width: in pixels of the page; picked: row, column, and kind of what happened: "pick" (by
    click or Enter), "move" (of the cursor, by an arrow key) or "step" (by an arrow key beyond the border, of which row
    and column are the direction).
    """

    _esm = Path(__file__).with_name("tiles.js")
    _css = Path(__file__).with_name("tiles.css")
    value = traitlets.Bytes(b"").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    inset = traitlets.List(traitlets.Float(), [0.0, 0.0, 0.0, 0.0]).tag(sync=True)
    cursor = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    width = traitlets.Int(384).tag(sync=True)
    picked: Any = traitlets.Dict().tag(sync=True)


COLUMNS, TILE, MAP = 8, 64, 192  # tiles of a row of the gallery; pixels of a tile and of a map


class View:
    """A tab: `key` names it and its words; `build` makes its widgets, `refresh` shows the state as it is now."""

    key = ""

    def __init__(self, page: "Page") -> None:
        self.page, self.say = page, page.say

    @property
    def state(self) -> State:
        """What the page is about."""
        return self.page.state

    @classmethod
    def fits(cls, state: State) -> bool:
        """Say whether a run has what the tab shows."""
        return True

    def build(self) -> widgets.Widget:
        """Make the widgets."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Show the state as it is now."""
        raise NotImplementedError

    def labelled(self, kind: type[Any], name: str, then: Callable[[Any], None], **options: Any) -> Any:
        """Make a widget with its label and explanation, which calls `then` with each value that is chosen."""
        label, tip = (self.say(f"{self.key}.{name}"), self.say(f"{self.key}.{name}_tip"))
        made = kind(description=label, tooltip=tip, **options)
        if "description_width" in made.style.keys:
            made.style.description_width = "initial"
        made.observe(self.page.does(lambda change: then(change["new"])), "value")
        return made

    def sets(self, name: str) -> Callable[[Any], None]:
        """Give what takes the value of a widget for a part of the state, and shows what follows from it."""

        def take(value: Any) -> None:
            setattr(self.state, name, value)
            self.refresh()

        return take

    def button(self, name: str, then: Callable[[], None], icon: str = "") -> widgets.Button:
        """Make a button with its label and explanation."""
        tip = self.say(f"{self.key}.{name}_tip")
        made = widgets.Button(description=self.say(f"{self.key}.{name}"), tooltip=tip, icon=icon)
        made.layout.width = "auto"
        made.on_click(self.page.does(lambda _: then()))
        return made

    def class_options(self, *first: tuple[str, Any]) -> list[tuple[str, Any]]:
        """List the classes as the options of a choice, after others."""
        return [*first, *((self.page.name(name), place) for place, name in enumerate(self.state.names))]


class Picture(widgets.HTML):
    """A PNG of a width in pixels, with a text in its place, which the image of ipywidgets 8.1 cannot have."""

    def __init__(self, width: int, label: str) -> None:
        super().__init__()
        self.width, self.label = width, label

    def show(self, png: bytes) -> None:
        """Show a PNG."""
        source = f"data:image/png;base64,{b64encode(png).decode()}"
        self.value = f'<img width={self.width} alt="{html.escape(self.label)}" src="{source}">'


def row(*children: widgets.Widget) -> widgets.HBox:
    """Set widgets beside each other, wrapped where the page is narrow."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="8px"))


def column(*children: widgets.Widget) -> widgets.VBox:
    """Set widgets below each other."""
    return widgets.VBox(children, layout=widgets.Layout(grid_gap="4px"))


def bars(named: Sequence[tuple[str, Sequence[float]]], heads: Sequence[str], most: int = 8) -> str:
    """Write a table of probabilities with bars as HTML: a row a name, a bar and a number a head."""
    top = "".join(f"<th scope=col colspan=2>{html.escape(head)}</th>" for head in heads)
    lines = [f"<tr><td></td>{top}</tr>"]
    for name, values in named[:most]:
        cells = [
            f'<td class=bar><i style="width:{value:.1%};background:{colour}"></i></td><td>{value:.1%}</td>'
            for value, colour in zip(values, plots.COLOURS)
        ]
        lines.append(f"<tr><th scope=row>{html.escape(name)}</th>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


class Gallery(View):
    """Test images as a grid, chosen by what the network says of them, beside the confusion matrix."""

    key = "gallery"

    def build(self) -> widgets.Widget:
        every = (self.say("gallery.all"), None)
        answers = [every, (self.say("gallery.right"), True), (self.say("gallery.wrong"), False)]
        marks = [(self.say(f"gallery.mark_{mark or 'none'}"), mark) for mark in MARKS]
        orders = [(self.say(f"gallery.order_{order}"), order) for order in ORDERS]
        classes = self.class_options(every)
        kinds = {"true": classes, "predicted": classes, "right": answers, "mark": marks, "order": orders}
        labels = {name: "answer" if name == "right" else name for name in kinds}
        now, make = {**asdict(self.state.filter), "order": self.state.order}, partial(self.labelled, widgets.Dropdown)
        places = {name: [value for _, value in options].index(now[name]) for name, options in kinds.items()}
        self.choices = {
            name: make(labels[name], partial(self._narrow, name), options=options, index=places[name])
            for name, options in kinds.items()
        }
        reach = {"value": (now["low"], now["high"]), "min": 0, "max": 1, "step": 0.01, "readout_format": ".0%"}
        narrow = partial(self._narrow, "sure")
        self.sure = self.labelled(widgets.FloatRangeSlider, "sure", narrow, continuous_update=False, **reach)
        self.grid = Tiles(columns=COLUMNS, width=COLUMNS * TILE, label=self.say("gallery.grid"))
        self.grid.observe(self.page.does(lambda change: self._picked(change["new"])), "picked")
        self.matrix = Tiles(label=self.say("gallery.matrix"))
        self.matrix.observe(self.page.does(lambda change: self._cell(change["new"])), "picked")
        self.counted = widgets.HTML()
        turns = [self.button("before", lambda: self._turn(-1)), self.button("after", lambda: self._turn(1))]
        choices = row(*self.choices.values(), self.sure, self.button("reset", self._reset))
        keep = self.page.keep_button(self._figure)
        return column(choices, row(*turns, self.counted, keep), row(column(self.grid), column(self.matrix)))

    def refresh(self) -> None:
        self.page.ask("gallery", lambda state, turn: (self._drawn(state), self._matrix(state)), self._show)

    def _drawn(self, state: State) -> dict[str, Any]:
        places, test = state.on_page(), state.run.dataset.test
        wrong = state.predicted[places] != test.labels[places]
        rows = -(-len(places) // COLUMNS)
        sheet = plots.framed_mosaic(np.asarray(test.images[places]), wrong, COLUMNS, rows)
        said = self.say("gallery.counted", count=len(state.places()), page=state.page + 1, pages=state.pages())
        found = {"value": plots.as_png(sheet) if rows else b"", "rows": rows or 1, "said": said, "places": places}
        return found | {"names": [self._describe(state, int(place)) for place in places]}

    def _describe(self, state: State, place: int) -> str:
        label, answer = state.names[state.run.dataset.test.labels[place]], int(state.predicted[place])
        values = {"place": place, "label": label, "answer": state.names[answer]}
        return self.say("gallery.image", sure=float(state.probabilities[place, answer]), **values)

    def _matrix(self, state: State) -> dict[str, Any]:
        counts, names = state.counts, [self.page.name(name) for name in state.names]
        png, inset = plots.confusion_cells(counts, row_shares(counts), names, self.say("gallery.axes").split("|"))
        pairs = zip(product(names, names), counts.ravel().tolist())
        told = [self.say("gallery.cell", true=true, predicted=said, count=count) for (true, said), count in pairs]
        return {"value": png, "inset": inset, "rows": len(names), "columns": len(names), "names": told}

    def _show(self, found: tuple[dict[str, Any], dict[str, Any]]) -> None:
        grid, matrix = found
        self.counted.value = html.escape(grid.pop("said"))
        # of what is chosen by now: a cursor that has moved on meanwhile is not set back
        cursor = np.flatnonzero(grid.pop("places") == self.state.place).tolist()
        with self.grid.hold_sync(), self.matrix.hold_sync():
            for tiles, values in ((self.grid, grid), (self.matrix, matrix)):
                for name, value in values.items():
                    setattr(tiles, name, value)
            self.grid.cursor = [*divmod(cursor[0], COLUMNS)] if cursor else [0, 0]

    def _narrow(self, name: str, value: Any) -> None:
        self.state.narrow(**({"low": value[0], "high": value[1]} if name == "sure" else {name: value}))
        self.refresh()

    def _turn(self, by: int) -> None:
        self.state.page = min(max(0, self.state.page + by), self.state.pages() - 1)
        self.refresh()

    def _reset(self) -> None:
        for name, choice in self.choices.items():
            choice.value = {"mark": MARKS[0], "order": ORDERS[0]}.get(name)
        self.sure.value = (0.0, 1.0)

    def _picked(self, picked: dict[str, Any]) -> None:
        if picked["kind"] == "step":
            self._turn(picked["row"] or picked["column"])
            return
        places, cell = self.state.on_page(), picked["row"] * COLUMNS + picked["column"]
        if cell < len(places):
            self.state.choose(int(places[cell]))
            if picked["kind"] == "pick":
                self.page.go("image")
            else:
                self.page.changed()

    def _cell(self, picked: dict[str, Any]) -> None:
        if picked["kind"] == "pick":
            self.choices["true"].value, self.choices["predicted"].value = picked["row"], picked["column"]

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        places, test = state.on_page(), state.run.dataset.test
        if not len(places):
            raise UsageError(self.say("keep.nothing"))
        answers = state.predicted[places], state.probabilities[places].max(axis=1)
        figure = plots.prediction_grid(np.asarray(test.images[places]), test.labels[places], *answers, state.names)
        return figure, self.say("gallery.kept", count=len(places), all=len(state.places())), "3"


class OneImage(View):
    """The chosen image: its probabilities, and explanations of a class side by side."""

    key = "image"

    def build(self) -> widgets.Widget:
        state, none = self.state, (self.say("image.none"), "")
        self.shown = Tiles(width=MAP, label=self.say("image.picture"))
        self.shown.observe(self.page.does(lambda change: self._step(change["new"])), "picked")
        self.table = widgets.HTML()
        classes = self.class_options()
        self.label = self.labelled(widgets.Dropdown, "label", self._label, options=classes, value=state.label)
        forms = [(self.say("image.signed"), True), (self.say("image.absolute"), False)]
        self.signed = self.labelled(
            widgets.ToggleButtons, "form", self.sets("signed"), options=forms, value=state.signed
        )
        self.signed.style.button_width = "auto"
        shown = {"value": state.overlay, "indent": False}
        self.overlay = self.labelled(widgets.Checkbox, "overlay", self.sets("overlay"), **shown)
        reach = {"value": state.top, "min": 0.01, "max": 0.5, "step": 0.01, "readout_format": ".0%"}
        self.top = self.labelled(widgets.FloatSlider, "top", self.sets("top"), **reach)
        known = [none, *((self.page.name(name), name) for name in state.known_methods)]
        chosen = [*state.methods, *[""] * 4][:4]
        self.columns = [self._column(place, known, name) for place, name in enumerate(chosen)]
        left = column(self.shown, widgets.HTML(html.escape(self.say("image.arrows"))), self.table)
        left.layout.width = "240px"
        keep = self.page.keep_button(self._figure)
        choices = row(self.label, self.signed, self.overlay, self.top, keep)
        right = column(choices, row(*(column(*one) for one in self.columns)))
        right.layout.flex = "1 1 500px"
        return row(left, right)

    def refresh(self) -> None:
        state = self.state
        self.label.value = state.label
        self.page.ask("picture", self._probabilities, lambda found: self._show_picture(*found))
        self.page.ask("maps", self._maps, self._show_maps)

    def _column(self, place: int, known: list[tuple[str, str]], name: str) -> tuple[widgets.Widget, ...]:
        def choose(name: str) -> None:
            names = [one[0].value for one in self.columns]
            self.state.methods = tuple(dict.fromkeys(filter(None, names)))
            self.page.ask("maps", self._maps, self._show_maps)

        chosen = widgets.Dropdown(options=known, value=name, tooltip=self.say("image.method_tip"))
        chosen.description = self.say("image.method", number=place + 1)
        chosen.style.description_width, chosen.layout.width = "initial", f"{MAP + 20}px"
        chosen.observe(self.page.does(lambda change: choose(change["new"])), "value")
        pictures = [Picture(MAP, self.say(f"image.{kind}", number=place + 1)) for kind in ("map", "left")]
        return chosen, *pictures, widgets.HTML(layout=widgets.Layout(width=f"{MAP}px"))

    def _label(self, label: int) -> None:
        if label != self.state.label:
            self.state.label = label
            self.page.changed()

    def _step(self, picked: dict[str, Any]) -> None:
        """Go to the next image that the gallery shows, or the one before."""
        places = self.state.places().tolist()
        if picked["kind"] != "step" or not places:
            return
        here = places.index(self.state.place) if self.state.place in places else -1
        self.state.choose(places[(here + (picked["row"] or picked["column"])) % len(places)])
        self.page.changed()

    def _probabilities(self, state: State, turn: Any) -> tuple[bytes, str]:
        found = state.probabilities_of(state.picture.pixels)
        order = np.argsort(-found, kind="stable")
        first, second = (state.names[place] for place in order[:2])
        values = {"first": first, "sure": float(found[order[0]]), "second": second, "next": float(found[order[1]])}
        said = self.say("image.answer", **values)
        if state.picture.label is not None:
            right = "right" if state.picture.label == order[0] else "wrong"
            said = self.page.join(said, self.say(f"image.{right}", label=state.names[state.picture.label]))
        named = [(self.page.name(state.names[place]), [float(found[place])]) for place in order]
        table = bars(named, [self.say("image.calibrated")])
        return plots.as_png(state.picture.pixels, MAP), f"<p>{html.escape(said)}</p>{table}"

    def _show_picture(self, png: bytes, table: str) -> None:
        self.shown.value, self.table.value = png, table

    def _maps(self, state: State, turn: Any) -> dict[str, tuple[bytes, bytes, str]]:
        found: dict[str, tuple[bytes, bytes, str]] = {}
        for name in state.methods:
            turn.check()
            if registry.METHODS[name].passes == "many":
                self._show_maps(found)  # and none of the image or class before, while this one takes long
            values = state.map_of(name)
            scaled = plots.to_own_scale(values[np.newaxis])[0]
            coloured = plots.in_colours(scaled, bool((values < 0).any()))
            mask, share = state.top_share(values)
            if state.overlay:
                coloured = (0.6 * coloured + 0.4 * state.picture.pixels).astype(np.uint8)
            left = plots.masked(state.picture.pixels[np.newaxis], mask[np.newaxis])[0].astype(np.uint8)
            rank = state.explainer.ranks.get(name)  # as notebook 04 graded it
            grade = self.say("image.ungraded") if rank is None else self.say("image.graded", rank=rank)
            said = self.page.join(self.say("image.share", top=state.top, share=share), grade)
            found[name] = plots.as_png(coloured, MAP), plots.as_png(left, MAP), said
        return found

    def _show_maps(self, found: dict[str, tuple[bytes, bytes, str]]) -> None:
        for chosen, upper, lower, said in self.columns:
            there = found.get(chosen.value)
            for one in (upper, lower):
                one.layout.display = "" if there else "none"
            if there:
                upper.show(there[0])
                lower.show(there[1])
                said.value = f"<small>{html.escape(there[2])}</small>"
            else:
                said.value = ""

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        if not state.methods:
            raise UsageError(self.say("keep.nothing"))
        maps: dict[str | Said, np.ndarray] = {name: state.map_of(name)[np.newaxis] for name in state.methods}
        first = next(iter(maps))
        mask = state.top_share(maps[first][0])[0][np.newaxis]
        kept: dict[str | Said, np.ndarray] = {self.say("image.mask", method=first, top=state.top): mask}
        figure = plots.explanation_sheet(state.picture.pixels[np.newaxis], maps, kept, [state.picture.name])
        values = {"picture": state.picture.name, "label": state.names[state.label], "methods": [*maps]}
        return figure, self.say("image.kept", **values), "4"
