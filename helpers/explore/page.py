"""The page: its tabs, what it says of work under way and of mistakes, and the language that it speaks."""

import html
from collections.abc import Callable
from copy import copy
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from helpers.answers import as_png
from helpers.base import words
from helpers.base.checks import UserError
from helpers.explore.depths import Filters, Layers
from helpers.explore.state import State
from helpers.explore.trials import WhatIf, YourPicture
from helpers.explore.views import Gallery, OneImage
from helpers.explore.worker import Turn, Worker
from helpers.report.remarks import add_remark
from helpers.run import Run

VIEWS = (Gallery, OneImage, WhatIf, Filters, Layers, YourPicture)
LANGUAGES = {"English": "en", "中文": "zh-Hant"}


class Page(widgets.VBox):
    """The whole page about one run; `state` is what it shows."""

    def __init__(self, run: Run, language: str) -> None:
        self.state, self.language = State(run), language
        self.worker = Worker(self._tell, self.complain)
        super().__init__(_dom_classes=("explore",))
        self._build()

    def say(self, key: str, /, **values: Any) -> str:
        """Set a sentence in the language of the page."""
        with words.use(self.language):
            return words.text(f"explore.{key}", **values)

    def join(self, *sentences: str) -> str:
        """Set sentences behind each other, as the language of the page does."""
        with words.use(self.language):
            return words.join(sentences)

    def name(self, name: str) -> str:
        """Give what a class, method or region is called in the language of the page."""
        with words.use(self.language):
            return words.show(name)

    def ask(self, kind: str, job: Callable[[State, Turn], Any], show: Callable[[Any], None]) -> None:
        """Have something worked out of the state as it is now, and shown; the newest wish of a kind wins."""
        state = copy(self.state)
        self.worker.wish(kind, lambda turn: job(state, turn), show)

    def does(self, act: Callable[..., None]) -> Callable[..., None]:
        """Wrap what a widget calls, so that an error is a sentence in the page."""

        def acting(*arguments: Any) -> None:
            try:
                act(*arguments)
            except Exception as error:
                self.complain(error)

        return acting

    def changed(self) -> None:
        """Show the tab that is open anew, after another picture or class was chosen."""
        self._message("")
        self.worker.drop(but="keep")  # what nobody looks at any more
        self.head.value = self._headline()
        opened = self.tabs.selected_index or 0
        if not self.tabs.children[opened].children:  # a tab is built when it is first opened
            self.tabs.children[opened].children = [self.views[opened].build()]
        self.views[opened].refresh()

    def go(self, view: str) -> None:
        """Turn to a tab, by its key."""
        self.tabs.selected_index = [one.key for one in self.views].index(view)

    def keep_button(self, make: Callable[[State], tuple[Figure, str, str]]) -> widgets.Button:
        """Make the button that writes a figure into the notes; make: gives it with its words and its question."""
        button = widgets.Button(description=self.say("keep.button"), tooltip=self.say("keep.tip"), icon="plus")
        button.layout.width, button.layout.align_self = "auto", "flex-start"

        def job(state: State, turn: Turn) -> str:
            figure, text, question = make(state)
            turn.check()
            return self.say("keep.done", file=str(add_remark(state.run.folder.name, question, as_png(figure), text)))

        button.on_click(self.does(lambda _: self.ask("keep", job, self._message)))
        return button

    def complain(self, error: Exception) -> None:
        """Say what went wrong, in a sentence."""
        told = self.say("error", kind=type(error).__name__, message=str(error).split("\n")[0])
        self._message(str(error) if isinstance(error, UserError) else told, role="alert")

    def _build(self) -> None:
        self.head, self.message, self.busy = widgets.HTML(self._headline()), widgets.HTML(), widgets.HTML()
        self.stop = widgets.Button(description=self.say("stop"), tooltip=self.say("stop_tip"), icon="stop")
        self.stop.disabled, self.stop.layout.width = True, "auto"
        self.stop.on_click(self._stop)
        chosen = widgets.ToggleButtons(options=LANGUAGES, value=self.language, tooltip=self.say("language"))
        chosen.style.button_width = "auto"
        chosen.observe(self.does(lambda change: self.speak(change["new"])), "value")
        self.views = [kind(self) for kind in VIEWS if kind.fits(self.state)]
        titles = [self.say(f"{view.key}.title") for view in self.views]
        self.tabs = widgets.Tab([widgets.VBox() for _ in self.views], titles=titles, selected_index=0)
        self.tabs.observe(self.does(lambda _: self.changed()), "selected_index")
        top = widgets.HBox([self.head, widgets.HBox([self.busy, self.stop, chosen])])
        top.layout.justify_content, top.layout.flex_flow = "space-between", "row wrap"
        self.warning = widgets.HTML(self._warning())
        self.children = [top, self.warning, self.message, self.tabs]
        self.changed()

    def _stop(self, _: widgets.Button) -> None:
        self.worker.stop()
        self._message(self.say("stopped"))

    def speak(self, language: str) -> None:
        """Set the page anew in another language."""
        self.language = language
        self._build()

    def _headline(self) -> str:
        state = self.state
        values = {"run": state.run.folder.name, "picture": state.picture.name, "label": state.names[state.label]}
        return f'<div role="status">{html.escape(self.say("head", **values))}</div>'

    def _warning(self) -> str:
        with words.use(self.language):
            said = words.join([words.show(warning) for warning in self.state.explainer.warnings])
        return f"<p><b>{html.escape(said)}</b></p>" if said else ""

    def _message(self, text: str, role: str = "status") -> None:
        self.message.value = f'<div role="{role}">{html.escape(text)}</div>' if text else ""

    def _tell(self, turn: Turn | None) -> None:
        self.stop.disabled = turn is None
        text = self.say(f"working.{turn.kind}") if turn else ""
        self.busy.value = f'<div role="status">{html.escape(text)}</div>'


def explore(run: Run, language: str = "en") -> Page:
    """Open the page about a run; its network is loaded, or trained if it has not been yet."""
    return Page(run, language)
