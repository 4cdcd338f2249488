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
START, PATIENCE = 300, 60  # seconds that a server or a training, and anything else, may take on a busy machine


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
            until(lambda: process.poll() is not None or answers(address), START)
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


def until(true, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


class Lab:
    """The notebook as it is open in the browser."""

    def __init__(self, page, address: str) -> None:
        self.page, self.wrong = page, []
        page.on(
            "console",
            lambda message: self.wrong.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.goto(f"{address}/lab/tree/explore.ipynb?token={TOKEN}")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=1000 * START)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=1000 * START)

    def run_all(self) -> None:
        """Run all cells by the menu, and wait for the page."""
        self.menu("Run", "Run All Cells")
        self.page.locator(".explore-tiles img").first.wait_for(timeout=1000 * START)
        until(lambda: self.read("page.worker.wait()") == "True")

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

    def tab(self, title: str) -> None:
        """Open a tab of the page."""
        self.page.get_by_role("tab", name=title, exact=True).click()
        until(lambda: self.read("page.worker.wait()") == "True")

    def choose(self, label: str, option: str) -> None:
        """Choose from a list by its label."""
        self.page.locator(".widget-dropdown:visible", has_text=label).locator("select").select_option(option)

    def upload(self, file: Path) -> None:
        """Choose a file for the page."""
        with self.page.expect_file_chooser() as chosen:
            self.page.get_by_role("button", name="Choose a file").click()
        chosen.value.set_files(file)

    @property
    def head(self) -> str:
        """What the page says that it is about."""
        return self.page.locator(".explore [role=status]").first.inner_text()


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
    grid = lab.page.locator(".explore-tiles").first
    grid.focus()
    before = lab.read("page.state.place")
    grid.focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowRight")
    until(lambda: lab.read("page.state.place") != before)
    place = lab.read("page.state.place")
    until(lambda: f"test:{place};" in lab.head)
    grid.focus()
    lab.page.keyboard.press("Enter")
    until(lambda: lab.read("page.tabs.selected_index") == "1")


def test_the_class_and_the_methods_are_chosen_and_shown(lab: Lab) -> None:
    lab.tab("One image")
    lab.choose("Class to explain", "happy")
    until(lambda: "explained class: happy" in lab.head)
    assert lab.read("page.state.names[page.state.label]") == "happy"
    lab.choose("Map 4", "integrated gradients")
    assert lab.read("page.worker.wait(), page.state.methods[-1]") == "(True, 'integrated gradients')"
    assert lab.page.get_by_alt_text("Map 4, by the method above it").locator("visible=true").count() == 1


def test_a_click_hides_a_superpixel_and_the_probabilities_follow(lab: Lab) -> None:
    lab.tab("What if?")
    told = lab.page.locator(".explore [role=status]:visible", has_text="the probability of")
    assert "Nothing is changed" in told.inner_text()
    lab.page.locator(".explore-tiles:visible").first.click(position={"x": 150, "y": 150})
    told.filter(has_text="superpixels hidden").wait_for()
    assert (
        lab.read("len(page.state.edit.hidden), (page.state.edited() != page.state.picture.pixels).any()")
        == "(1, np.True_)"
    )
    lab.page.locator(".explore-tiles:visible").first.press("Enter")  # the same part, by keys
    told.filter(has_text="Nothing is changed").wait_for()
    assert lab.read("len(page.state.edit.hidden)") == "0"


def test_a_moved_action_unit_draws_the_face_anew_by_keys_alone(lab: Lab) -> None:
    handle = lab.page.locator(".widget-slider", has_text="Jaw drop").locator("[role=slider]")
    handle.focus()
    for _ in range(4):
        lab.page.keyboard.press("ArrowRight")
    lab.page.locator(".explore [role=status]:visible", has_text="the face drawn anew").wait_for()
    differs = "(page.state.base() != page.state.picture.pixels).any()"
    assert lab.read(f"page.state.face.units[-1] > 0.1 and bool({differs})") == "True"
    lab.page.get_by_role("button", name="Undo all").click()
    until(lambda: lab.read("page.state.face") == "None")


def test_a_filter_and_a_depth_are_looked_into(lab: Lab) -> None:
    lab.tab("Filters")
    lab.page.locator(".explore [role=status]:visible", has_text="convolution 1").wait_for()
    assert lab.read("(page.state.layer, len(page.views[3].favourites.names))") == "(1, 8)"
    lab.tab("Layers")
    handle = lab.page.locator(".explore [role=slider]:visible").first
    handle.focus()
    lab.page.keyboard.press("ArrowRight")
    until(lambda: lab.read("page.state.depth") == "1")


def test_a_picture_is_uploaded_and_one_that_is_none_is_told(lab: Lab, tmp_path: Path) -> None:
    lab.tab("Your picture")
    (tmp_path / "note.png").write_text("no picture")
    lab.upload(tmp_path / "note.png")
    lab.page.locator(".explore [role=alert]", has_text="note.png cannot be explained").wait_for()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)).save(tmp_path / "mine.png")
    lab.upload(tmp_path / "mine.png")
    until(lambda: "mine.png" in lab.head)
    assert lab.read("page.state.picture.name, page.state.place") == "('mine.png', None)"
    lab.page.get_by_text("LIME cuts the picture").wait_for(timeout=1000 * START)


def test_a_figure_goes_into_the_notes(lab: Lab, tmp_path: Path) -> None:
    folder = str(tmp_path / "notes")
    setup = f"import sys; from pathlib import Path; sys.modules['helpers.report.remarks'].FOLDER = Path({folder!r})"
    lab.read("page.state.depth", setup)
    lab.tab("Layers")
    lab.page.locator(".explore button:visible", has_text="Add to my report").click()
    lab.page.locator(".explore [role=status]", has_text="Added to").wait_for()
    (note,) = (tmp_path / "notes").glob("*.md")
    assert note.read_text().startswith("# 7\n") and len([*(tmp_path / "notes" / "explore").iterdir()]) == 1


def test_the_page_speaks_chinese(lab: Lab) -> None:
    lab.page.get_by_role("button", name="中文").click()
    lab.page.get_by_role("tab", name="圖庫").wait_for()
    assert lab.read("page.language, page.tabs.titles[1]") == "('zh-Hant', '單張圖片')"


def test_a_restarted_kernel_brings_the_page_back(lab: Lab) -> None:
    lab.menu("Kernel", "Restart Kernel and Run All Cells…")
    before = [*lab.wrong]
    lab.page.locator(".jp-Dialog").get_by_text("Restart", exact=True).click()
    lab.page.get_by_role("tab", name="Gallery").wait_for(timeout=1000 * START)
    # While the kernel restarts, views of widgets that went with it cannot be made, which the console tells.
    lost = [text for text in lab.wrong[len(before) :] if not text.startswith("Could not create a view for model id")]
    lab.wrong[:] = [*before, *lost]
    lab.page.locator(".explore-tiles:visible img").first.wait_for(timeout=1000 * START)
    assert lab.read("page.worker.wait(), page.language") == "(True, 'en')"
