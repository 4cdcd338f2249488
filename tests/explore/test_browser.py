"""The live notebook in a real JupyterLab, with a real kernel, in a real browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.base.files import ROOT

TOKEN = "a-token-of-the-tests"  # JupyterLab asks for it on loopback
PATIENCE = 600  # seconds after which a wait is given up: on a busy machine all takes many times its time
TITLES = "Gallery", "One image", "What if?", "Filters", "Layers", "Your picture"
CHINESE = "圖庫", "單張圖片", "如果……？", "Filters", "各層", "你的圖片"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notebook alone, which trains least."""
    folder = tmp_path_factory.mktemp("lab")
    text = (ROOT / "notebooks" / "explore.ipynb").read_text(encoding="utf-8")
    (folder / "explore.ipynb").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab of its own, as `make explore RECIPE=tiny` starts it: its address, and its log."""
    own = tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {
        name: str(own / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    news = Path(places["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # else it asks the net
    environment = {**os.environ, **places, "LAB_RECIPE": "tiny", "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["REPORTS"] = str(own / "reports")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={workspace}"]
    command += [f"--IdentityProvider.token={TOKEN}"]
    log, address = own / "log", f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=workspace)
        try:
            until(lambda: process.poll() is not None or answers(address))
            assert process.poll() is None, log.read_text()
            yield address, log
        finally:
            process.terminate()
            process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5):
            return True
    except OSError:
        return False


def until(true) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE} s"
        time.sleep(0.1)


class Lab:
    """The notebook as it is open in the browser."""

    def __init__(self, page, address: str) -> None:
        self.page, self.wrong = page, []
        page.set_default_timeout(1000 * PATIENCE)
        page.on(
            "console",
            lambda message: self.wrong.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.goto(f"{address}/lab/tree/explore.ipynb?token={TOKEN}")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()

    def run_all(self) -> None:
        """Run all cells by the menu, and wait for the page."""
        self.menu("Run", "Run All Cells")
        self.opened()

    def opened(self) -> None:
        """Wait until the page is there; what a cell says of a mistake ends this at once."""
        mistake = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        self.page.locator(".explore-tiles:visible img").or_(mistake).first.wait_for()
        assert mistake.count() == 0, mistake.first.inner_text()
        self.read_until("page.worker.wait()", "True")

    def menu(self, name: str, entry: str) -> None:
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-item", has_text=name).first.click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def read(self, expression: str, first: str = "pass") -> str:
        """Ask the kernel by a cell at the end of the notebook; first: a statement before."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        if "scratch" not in cells.last.locator(".cm-content").inner_text():
            cells.last.locator(".cm-content").click()
            self.page.keyboard.press("Escape")
            self.page.keyboard.press("b")
        cell = cells.last
        before = cell.locator(".jp-InputPrompt").first.inner_text()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(f"{first}\nprint(({expression}))  # scratch")
        self.page.keyboard.press("Control+Enter")
        until(lambda: cell.locator(".jp-InputPrompt").first.inner_text() not in (before, "[*]:"))
        return cell.locator(".jp-OutputArea-output").last.inner_text().strip()

    def read_until(self, expression: str, value: str) -> None:
        """Wait until the kernel says this of an expression: what is done in the page reaches it later."""
        until(lambda: self.read(expression) == value)

    def tab(self, title: str) -> None:
        """Open a tab of the page."""
        self.page.get_by_role("tab", name=title, exact=True).click()
        self.read_until("page.tabs.titles[page.tabs.selected_index], page.worker.wait()", str((title, True)))

    def says(self, text: str) -> None:
        """Wait until the page says this."""
        self.page.locator(".explore [role=status]:visible", has_text=text).first.wait_for()

    def choose(self, label: str, option: str) -> None:
        """Choose from a list by its label."""
        self.page.locator(".widget-dropdown:visible", has_text=label).locator("select").select_option(option)

    def upload(self, file: Path) -> None:
        """Choose a file for the page."""
        with self.page.expect_file_chooser() as chosen:
            self.page.get_by_role("button", name="Choose a file").click()
        chosen.value.set_files(file)


@pytest.fixture(scope="module")
def lab(browser, server: tuple[str, Path]) -> Iterator[Lab]:
    """The notebook, run once for all tests; at the end nothing may have gone wrong in browser, kernel or between."""
    address, log = server
    page = browser.new_page(viewport={"width": 1500, "height": 1200})
    lab = Lab(page, address)
    lab.run_all()
    yield lab
    page.close()
    assert lab.wrong == [], "\n".join(lab.wrong)
    said = log.read_text()
    assert [line for line in said.splitlines() if "Traceback" in line or "No such comm" in line] == [], said


def test_arrow_keys_choose_an_image_and_enter_opens_it(lab: Lab) -> None:
    before = int(lab.read("page.state.on_page().tolist().index(page.state.place)"))
    grid = lab.page.locator(".explore-tiles").first
    grid.focus()
    key, wanted = ("ArrowDown", before + 24) if before < 24 else ("ArrowUp", before - 24)
    for _ in range(3):
        lab.page.keyboard.press(key)
    lab.read_until(f"bool(page.state.place == page.state.on_page()[{wanted}])", "True")
    lab.says(f"test:{lab.read('page.state.place')};")
    grid.focus()
    lab.page.keyboard.press("Enter")
    lab.read_until("page.tabs.selected_index", "1")


def test_the_class_and_the_methods_are_chosen_and_shown(lab: Lab) -> None:
    lab.tab("One image")
    lab.choose("Class to explain", "happy")
    lab.says("explained class: happy")
    assert lab.read("page.state.names[page.state.label]") == "happy"
    lab.choose("Map 4", "integrated gradients")
    lab.read_until("page.worker.wait(), page.state.methods[-1]", "(True, 'integrated gradients')")
    lab.page.get_by_alt_text("Map 4, by the method above it").locator("visible=true").wait_for()


def test_a_click_hides_a_superpixel_and_the_probabilities_follow(lab: Lab) -> None:
    lab.tab("What if?")
    lab.says("Nothing is changed")
    lab.page.locator(".explore-tiles:visible").first.click(position={"x": 150, "y": 150})
    lab.says("superpixels hidden")
    changed = "bool((page.state.edited() != page.state.picture.pixels).any())"
    assert lab.read(f"len(page.state.edit.hidden), {changed}") == "(1, True)"
    lab.page.locator(".explore-tiles:visible").first.press("Enter")  # the same part, by keys
    lab.says("Nothing is changed")
    assert lab.read("len(page.state.edit.hidden)") == "0"


def test_a_moved_action_unit_draws_the_face_anew_by_keys_alone(lab: Lab) -> None:
    handle = lab.page.locator(".widget-slider", has_text="Jaw drop").locator("[role=slider]")
    now, low, high = (float(handle.get_attribute(f"aria-value{what}") or 0) for what in ("now", "min", "max"))
    handle.focus()
    for _ in range(4):
        lab.page.keyboard.press("ArrowLeft" if now > (low + high) / 2 else "ArrowRight")  # there is room that way
    lab.says("the face drawn anew")
    lab.read_until("bool((page.state.base() != page.state.picture.pixels).any())", "True")
    lab.page.get_by_role("button", name="Undo all").click()
    lab.read_until("page.state.face", "None")


def test_a_filter_and_a_depth_are_looked_into(lab: Lab) -> None:
    lab.tab("Filters")
    lab.says("convolution 1")
    assert lab.read("(page.state.layer, len(page.views[3].favourites.names))") == "(1, 8)"
    lab.tab("Layers")
    handle = lab.page.locator(".explore [role=slider]:visible").first
    handle.focus()
    lab.page.keyboard.press("ArrowRight")
    lab.read_until("page.state.depth", "1")


def test_a_picture_is_uploaded_and_one_that_is_none_is_told(lab: Lab, tmp_path: Path) -> None:
    lab.tab("Your picture")
    (tmp_path / "note.png").write_text("no picture")
    lab.upload(tmp_path / "note.png")
    lab.page.locator(".explore [role=alert]", has_text="note.png cannot be explained").wait_for()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)).save(tmp_path / "mine.png")
    lab.upload(tmp_path / "mine.png")
    lab.says("mine.png")
    assert lab.read("page.state.picture.name, page.state.place") == "('mine.png', None)"
    lab.page.get_by_text("LIME cuts the picture").wait_for()


def test_a_figure_goes_into_the_notes(lab: Lab, tmp_path: Path) -> None:
    folder = str(tmp_path / "notes")
    setup = f"import sys; from pathlib import Path; sys.modules['helpers.report.remarks'].FOLDER = Path({folder!r})"
    lab.read("page.state.depth", setup)
    lab.tab("Layers")
    lab.page.locator(".explore button:visible", has_text="Add to my report").click()
    lab.page.locator(".explore [role=status]", has_text="Added to").wait_for()
    (note,) = (tmp_path / "notes").glob("*.md")
    assert note.read_text().startswith("# 7\n") and len([*(tmp_path / "notes" / "explore").iterdir()]) == 1


@pytest.mark.parametrize("titles", [TITLES, CHINESE])
def test_all_tabs_open_in_both_languages_and_axe_finds_nothing_wrong(lab: Lab, titles: tuple[str, ...]) -> None:
    name, language = ("English", "en") if titles is TITLES else ("中文", "zh-Hant")
    lab.page.get_by_role("button", name=name).click()
    lab.read_until("page.language", language)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for title in titles:
        lab.tab(title)
        found = axe.Axe().run(lab.page, context=".explore").response["violations"]
        assert [(title, one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_a_restarted_kernel_brings_the_page_back(lab: Lab) -> None:
    lab.menu("Kernel", "Restart Kernel and Run All Cells…")
    before = [*lab.wrong]
    lab.page.locator(".jp-Dialog").get_by_text("Restart", exact=True).click()
    lab.page.get_by_role("tab", name="Gallery").wait_for()
    # While the kernel restarts, views of widgets that went with it cannot be made, which the console tells.
    lost = [text for text in lab.wrong[len(before) :] if not text.startswith("Could not create a view for model id")]
    lab.wrong[:] = [*before, *lost]
    lab.opened()
    assert lab.read("page.language") == "en"
