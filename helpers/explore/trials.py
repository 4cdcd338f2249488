"""The tabs that change the picture: what if a part were hidden or a face moved, and a picture of one's own."""

import html
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from helpers.base import words
from helpers.build.explain import pictures
from helpers.data import faces
from helpers.explain.substrates import SUBSTRATES
from helpers.explore.edits import Edit
from helpers.explore.state import LIGHT, PARTS, Face, State
from helpers.explore.views import Picture, Tiles, View, bars, column, row
from helpers.report import plots

SIDE = 288  # pixels of the image that is changed
MOVES = {"brightness": 100, "right": 12, "down": 12, "turn": 45}  # of an edit, with the furthest that each goes


class WhatIf(View):
    """The picture changed by hand, and how the probabilities follow."""

    key = "whatif"

    def build(self) -> widgets.Widget:
        middle = [length // 2 for length in self.state.picture.pixels.shape[:2]]
        self.shown = Tiles(width=SIDE, cursor=middle, label=self.say("whatif.image"))
        self.shown.observe(self.page.does(lambda change: self._hide(change["new"])), "picked")
        self.told, self.table = widgets.HTML(), widgets.HTML()
        parts = [(self.say(f"whatif.{name}"), name) for name in PARTS]
        fills = [(self.say(f"whatif.{name}"), name) for name in SUBSTRATES]
        buttons = widgets.ToggleButtons
        self.parts = self.labelled(buttons, "parts", partial(self._cut, "parts"), options=parts, value=self.state.parts)
        reach = {"value": self.state.side, "min": 2, "max": 24}
        self.side = self.labelled(widgets.IntSlider, "side", partial(self._cut, "side"), **reach)
        self.fill = self.labelled(buttons, "fill", partial(self._change, "fill"), options=fills)
        for one in (self.parts, self.fill):
            one.style.button_width = "auto"
        make = partial(self.labelled, widgets.IntSlider)
        self.moves = {n: make(n, partial(self._change, n), min=-most, max=most) for n, most in MOVES.items()}
        for one in (self.side, *self.moves.values()):
            one.style.description_width = "110px"
        self.mirror = self.labelled(widgets.Checkbox, "mirror", partial(self._change, "mirror"), indent=False)
        acts = row(self.button("reset", self._reset), self.button("adopt", self._adopt))
        self.table.layout.width = "300px"
        changes = column(self.parts, self.side, self.fill, *self.moves.values(), self.mirror, acts)
        hint = widgets.HTML(html.escape(self.say("whatif.hint")))
        left = column(self.shown, hint, self.page.keep_button(self._figure))
        return column(self.told, row(left, changes, self.table), *self._face())

    def refresh(self) -> None:
        edit = self.state.edit
        for name, slider in self.moves.items():
            slider.value = int(getattr(edit, name))
        self.mirror.value, self.fill.value = edit.mirror, edit.fill
        if self.state.draws_faces:
            self._set_face()
        self._ask()

    def _ask(self) -> None:
        self.page.ask("whatif", self._drawn, self._show)

    def _drawn(self, state: State, turn: Any) -> tuple[bytes, str, str, list[int]]:
        edited = state.edited()
        before, after = state.probabilities_of(state.picture.pixels), state.probabilities_of(edited)
        order = np.argsort(-before, kind="stable")
        named = [(self.page.name(state.names[one]), [float(before[one]), float(after[one])]) for one in order]
        table = bars(named, [self.say("whatif.before"), self.say("whatif.after")])
        return plots.as_png(edited, SIDE), self._tell(state, before, after), table, [*edited.shape[:2]]

    def _show(self, found: tuple[bytes, str, str, list[int]]) -> None:
        with self.shown.hold_sync():
            self.shown.value, told, self.table.value, (self.shown.rows, self.shown.columns) = found
        self.told.value = f'<div role="status">{html.escape(told)}</div>'

    def _tell(self, state: State, before: np.ndarray, after: np.ndarray) -> str:
        edit, label, changes = state.edit, state.names[state.label], []
        if edit.hidden:
            hid = {"count": len(edit.hidden), "all": int(state.part_map().max()) + 1}
            changes.append(self.say(f"whatif.hid_{state.parts}", **hid, fill=self.say(f"whatif.{edit.fill}")))
        moved = {name: int(getattr(edit, name)) for name in MOVES if getattr(edit, name)}
        changes += [self.say(f"whatif.did_{name}", by=by) for name, by in moved.items()]
        changes += [self.say("whatif.did_mirror")] if edit.mirror else []
        changes += [self.say("whatif.did_face")] if state.face else []
        if not changes:
            return self.say("whatif.nothing", label=label, before=float(before[state.label]))
        first, now = (state.names[int(found.argmax())] for found in (before, after))
        values = {"changes": changes, "label": label, "before": float(before[state.label])}
        kind = "same" if first == now else "other"
        answers = {"answer": now} if first == now else {"first": first, "answer": now}
        return self.say(f"whatif.{kind}", after=float(after[state.label]), **values, **answers)

    def _hide(self, picked: dict[str, Any]) -> None:
        if picked["kind"] == "pick":
            self.state.hide_at(picked["row"], picked["column"])
            self._ask()

    def _cut(self, name: str, value: Any) -> None:
        setattr(self.state, name, value)
        self._change("hidden", frozenset())

    def _change(self, name: str, value: Any) -> None:
        self.state.edit = replace(self.state.edit, **{name: value})
        self._ask()

    def _reset(self) -> None:
        self.state.edit, self.state.face = Edit(), None
        self.refresh()

    def _adopt(self) -> None:
        name = self.say("whatif.name", picture=self.state.picture.name)
        self.state.take(pictures.Picture(name, self.state.edited()))
        self.page.changed()

    def _face(self) -> list[widgets.Widget]:
        """Make the sliders of the action units, the person and the light, where the images are schematic faces."""
        if not self.state.draws_faces:
            return []
        slider, last = widgets.FloatSlider, len(self.state.run.dataset.test.labels) - 1
        self.person = self.labelled(widgets.IntSlider, "person", self._pose, min=0, max=last)
        unit = {"min": 0, "max": 1, "step": 0.05}
        self.units = [self.labelled(slider, f"unit_{number}", self._pose, **unit) for number in faces.ACTION_UNITS]
        ranges = [
            {"min": low, "max": high, "step": (high - low) / 40}
            for low, high in map(faces.VARIATION.__getitem__, LIGHT)
        ]
        self.light = [self.labelled(slider, f"face_{name}", self._pose, **reach) for name, reach in zip(LIGHT, ranges)]
        for one in (self.person, *self.units, *self.light):
            one.layout.width, one.style.description_width = "340px", "150px"
        self._set_face()  # before a browser has seen them
        groups = self.units[:5], self.units[5:10], self.units[10:], [self.person, *self.light]
        return [row(*(column(*group) for group in groups))]

    def _set_face(self) -> None:
        """Set the sliders to the face that is shown, which draws nothing anew."""
        own, self.quiet = self.state.own_face(), True
        sliders, values = (self.person, *self.units, *self.light), (own.number, *own.units, *dict(own.light).values())
        # on the slider's own steps, to which a browser would round them
        self.own = [one.min + round((value - one.min) / one.step) * one.step for one, value in zip(sliders, values)]
        for one, value in zip(sliders, self.own):
            one.value = value
        self.quiet = False

    def _pose(self, _: float) -> None:
        sliders = [self.person, *self.units, *self.light]
        moved = [abs(one.value - value) > 0.6 * one.step for one, value in zip(sliders, self.own)]
        # else the browser has but rounded a value to the slider's step
        if not self.quiet and (self.state.face or any(moved)):
            units = tuple(one.value for one in self.units)
            light = tuple((name, one.value) for name, one in zip(LIGHT, self.light))
            self.state.face = Face(self.person.value, units, light)
            self._ask()

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        edited = state.edited()
        before, after = state.probabilities_of(state.picture.pixels), state.probabilities_of(edited)
        label, pair = state.names[state.label], {"before": before[state.label], "after": after[state.label]}
        titles = [self.say(f"whatif.kept_{name}", label=label, value=float(p)) for name, p in pair.items()]
        figure = plots.image_grid(np.stack([state.picture.pixels, edited]), titles, columns=4)
        return figure, self.say("whatif.kept", picture=state.picture.name, told=self._tell(state, before, after)), "4"


class YourPicture(View):
    """A file of the user's own, explained as `make explain` does."""

    key = "own"

    def build(self) -> widgets.Widget:
        said = {"description": self.say("own.file"), "tooltip": self.say("own.file_tip")}
        self.file = widgets.FileUpload(accept="image/*", **said)
        self.file.layout.width = "auto"
        self.file.observe(self.page.does(lambda change: self._take(change["new"])), "value")
        self.told, self.figure = widgets.HTML(), Picture(900, self.say("own.page"))
        acts = row(self.file, self.button("explain", self._ask), self.page.keep_button(self._figure))
        return column(acts, self.told, self.figure)

    def refresh(self) -> None:
        """Explain a picture of the user's own; a test image only when asked to, as this takes long."""
        if self.state.place is None:
            self._ask()
        else:
            self.figure.layout.display, self.told.value = "none", html.escape(self.say("own.none"))

    def _ask(self) -> None:
        self.page.ask("own", lambda state, turn: state.explained(self.page.language), self._show)

    def _show(self, found: dict[str, Any]) -> None:
        said = [found["lead"], *found["sentences"], *found["notes"]]
        self.told.value = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in said)
        self.figure.layout.display = ""
        self.figure.show(found["png"].tobytes())

    def _take(self, files: Any) -> None:
        if files:
            name, content = files[0]["name"], bytes(files[0]["content"])
            self.file.value = ()  # else the same file, chosen again later, would change nothing
            self.page.ask("upload", lambda state, turn: state.read(name, content), self._taken)

    def _taken(self, picture: pictures.Picture) -> None:
        self.state.take(picture)
        self.page.changed()

    def _figure(self, state: State) -> tuple[Figure, str, str]:
        with words.use(self.page.language):
            numbers, draw = state.explainer.explain(state.picture)
            lead = state.explainer.page(numbers)["lead"]
            return draw(), self.say("own.kept", picture=state.picture.name, told=lead), "4"
