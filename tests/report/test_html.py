"""The HTML: what it holds, how large it grows, and what it does in a browser."""

import html as escaping
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure

from helpers.answers import Answer, render_block
from helpers.answers.stored import load_answer
from helpers.base import words
from helpers.report import html
from helpers.report.document import TRUST, TRUST_TABLE, Report, ReportError
from helpers.report.handin import HandIn
from helpers.report.html import MOST_BYTES, build_report

NOTEBOOKS = ["01_train_cnn", "03_confusion_matrix"]
STAMP = {
    "dataset": "faces",
    "title": "Schematic faces (generated)",
    "fingerprint": "3f9ac1d27b08",
    "seed": 0,
    "recipe": "tiny",
    "versions": {"numpy": "2.4.1"},
    "date": "2025-01-31",
    "notes": ["The test split serves nothing else."],
    "machine": "a test",
}
ODD = "<b>no markup</b> & \"quotes\" {{{{ 1 }}}} </script> {{% x %}} 'single' <!-- \N{MINUS SIGN}1"
VOID = {"meta", "link", "img", "input", "br", "hr"}
NAMES = ["zebra", "Ant", "mule 10", "mule 9", "cat", "dog", "owl", "bee", "cow", "elk"]
VALUES = [0.5, None, -2.0, 10.0, 0.25, 3.0, 1.0, 2.0, -0.5, 100.0]


SHEET = "cat taken for dog: the most confident mistakes, of 3 test images"
CELLS = {
    "classes": ["cat", "dog"],
    "counts": [[5, 3], [0, 9]],
    "sheets": [{"row": 0, "column": 1, "count": 3, "images": [np.full((90, 90, 1), 40, np.uint8)] * 3}],
}


def draw(height: float = 2.0) -> Figure:
    figure = Figure(figsize=(6.5, height))
    figure.subplots().plot([0, 1])
    return figure


def save_answers(folder: Path, sentence: str = "Accuracy is {accuracy:.1%} on {images} images.") -> Path:
    answer = Answer(folder, NOTEBOOKS[0], "Training a CNN", "How well does it do?")
    answer.say(sentence, **({"accuracy": 0.8766, "images": 50} if "{accuracy" in sentence else {}))
    answer.heading("Curves")
    for name in ("first", "second"):
        answer.figure(name, draw(), f"The {name} curve, of {{epochs}} epochs.", epochs=3)
    frame = pd.DataFrame({"animal": NAMES, "weight": VALUES, "a rather long column": ["of words " * 8] * 10})
    answer.table("animals", frame, "Ten animals.", formats={"weight": ".2f"})
    answer.number("cnn.test_accuracy", 0.8766)
    answer.save()
    other = Answer(folder, NOTEBOOKS[1], "The confusion matrix", "What is taken for what?")
    other.figure("matrix", draw(), "The matrix.", cells=CELLS)
    other.heading(TRUST)
    wide = pd.DataFrame({f"quantity {k}": np.arange(12) / 7 for k in range(13)})
    other.table(TRUST_TABLE, wide, "The grades of {count} methods.", count=12)
    other.say("Few can be trusted.")
    for k in range(8):
        other.say(f"Paragraph {k}: " + "many words fill the page, and more of them follow. " * 12)
        other.heading(f"Part {k}")
    other.save()
    return folder


class Page(HTMLParser):
    """What a page consists of: its tags with their attributes in order, its texts, and whether all tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len(dict(attributes)) == len(attributes), f"an attribute twice in {tag}"
        self.tags.append((tag, dict(attributes)))
        self.open += [tag] if tag not in VOID else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def squeeze(text: str) -> str:
    return " ".join(text.split())


def test_the_page_is_well_formed_with_one_title_landmarks_and_a_language(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_answers(tmp_path), NOTEBOOKS, STAMP)))
    assert page.open == [] and len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == 1
    assert page.all("html") == [{"lang": "en"}]
    identities = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identities) == len({*identities})
    targets = [attributes["href"][1:] for attributes in page.all("a") if attributes["href"].startswith("#")]
    labels = [name for _, each in page.tags for name in (each.get("aria-labelledby") or "").split()]
    assert targets and labels and {*targets, *labels} <= {*identities}
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_sentence_cell_and_stamp_is_in_it_and_every_picture_has_its_caption(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_answers(tmp_path), NOTEBOOKS, STAMP)))
    text = squeeze(page.text)
    blocks = [block for name in NOTEBOOKS for block in load_answer(tmp_path, name)["blocks"]]
    for block in blocks:
        assert squeeze(render_block(block)) in text
    for word in (*NAMES, "100.00", "\N{MINUS SIGN}0.50", *STAMP["notes"], STAMP["fingerprint"], "87.7%"):
        assert word in text
    captions = [render_block(block) for block in blocks if block["kind"] == "figure"]
    assert [picture["alt"] for picture in page.all("img")] == [*captions, SHEET]
    assert (int(page.all("img")[-1]["width"]), int(page.all("img")[-1]["height"])) == (3 * 64 + 2 * 2, 64)


def test_text_is_never_markup(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_answers(tmp_path, sentence=ODD), NOTEBOOKS, STAMP | {"title": ODD})))
    assert ODD.format() in page.text and ODD in page.text
    assert len(page.all("script")) == 1


def test_each_number_names_its_notebook_key_and_value(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_answers(tmp_path), NOTEBOOKS, STAMP)))
    sources = [attributes.get("title") for attributes in page.all("span")]
    assert "01_train_cnn: cnn.test_accuracy = 0.8766" in sources  # known by its exact value
    assert "01_train_cnn: images = 50" in sources
    assert "01_train_cnn: cnn.test_accuracy" in sources  # of the headline
    assert "01_train_cnn: figures/01_first.pdf" in page.text and "03_confusion_matrix: tables/03_trust.csv" in page.text


def test_nothing_is_asked_for(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_answers(tmp_path), NOTEBOOKS, STAMP)))
    addresses = [value for _, each in page.tags for key, value in each.items() if key in ("src", "href")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "url(" not in page.text and "@import" not in page.text and "fetch(" not in page.text


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    first = build_report(Report(save_answers(tmp_path), NOTEBOOKS, STAMP)).read_bytes()
    assert build_report(Report(tmp_path, NOTEBOOKS, STAMP)).read_bytes() == first
    assert build_report(Report(tmp_path, NOTEBOOKS, STAMP | {"date": "2025-02-01"})).read_bytes() != first


def test_reports_in_other_languages_that_lie_beside_it_are_offered(tmp_path: Path) -> None:
    save_answers(tmp_path)
    assert "hreflang" not in build_report(Report(tmp_path, NOTEBOOKS, STAMP)).read_text()
    both = HandIn(languages=("en", "zh-Hant"))
    links = [
        link for link in page_of(build_report(Report(tmp_path, NOTEBOOKS, STAMP, both))).all("a") if "hreflang" in link
    ]
    assert [link["href"] for link in links] == ["report.html", "report.zh-Hant.html"]
    assert [link.get("aria-current") for link in links] == ["true", None]
    assert "\u4e2d\u6587\uff08\u7e41\u9ad4\uff09" in (tmp_path / "report.html").read_text(encoding="utf-8")


def save_large(folder: Path, classes: int) -> Path:
    answer = Answer(folder, NOTEBOOKS[0], "Title", "Question?")
    for k in range(3):
        frame = pd.DataFrame({"class": [f"class {c}" for c in range(classes)], "recall": np.linspace(0, 1, classes)})
        answer.table(f"rates_{k}", frame, "Rates.")
    answer.save()
    return folder


def test_tables_are_whole_up_to_a_bound_so_that_a_page_of_many_classes_stays_light(tmp_path: Path) -> None:
    page = page_of(build_report(Report(save_large(tmp_path, 300), NOTEBOOKS[:1], STAMP)))
    assert "class 150" in page.text and "are shown" not in page.text
    assert len(page.tags) < 4000
    page = page_of(build_report(Report(save_large(tmp_path, 1000), NOTEBOOKS[:1], STAMP)))
    assert "class 150" not in page.text and "Of 1000 rows the first and the last 15 are shown" in page.text
    assert len(page.tags) < 1000


def save_noisy(folder: Path, figures: int) -> Path:
    """Save an answer whose pictures cannot be compressed."""
    answer = Answer(folder, NOTEBOOKS[0], "Title", "Question?")
    for k in range(figures):
        figure = Figure(figsize=(6.5, 6.5))
        figure.figimage(np.random.default_rng(k).integers(0, 255, (975, 975, 3), dtype=np.uint8))
        answer.figure(f"noise_{k}", figure, "Noise.")
    answer.save()
    return folder


def test_pictures_lose_detail_rather_than_that_the_file_grows_beyond_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "MOST_BYTES", MOST_BYTES // 4)
    path = build_report(Report(save_noisy(tmp_path, 2), NOTEBOOKS[:1], STAMP))
    assert MOST_BYTES / 32 < path.stat().st_size <= MOST_BYTES / 4
    assert all(int(picture["width"]) >= 640 for picture in page_of(path).all("img"))


def test_what_has_no_room_in_one_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_answers(tmp_path)
    monkeypatch.setattr(html, "MOST_BYTES", 20_000)
    with pytest.raises(ReportError, match="more than 20,000"):
        build_report(Report(tmp_path, NOTEBOOKS, STAMP))
    assert not (tmp_path / "report.html").exists()


SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


def test_a_short_report_has_its_appendix_and_the_authors_name_and_remarks(tmp_path: Path) -> None:
    save_answers(tmp_path)
    note = tmp_path / "notes.md"
    (tmp_path / "square.svg").write_text(SQUARE)
    note.write_text("Less *than* {cnn.test_accuracy:.1%} <i>\n\n- one\n- two\n\n![A square](square.svg)")
    by = HandIn(author="Ada Author", detail="short")
    page = page_of(build_report(Report(tmp_path, NOTEBOOKS, STAMP, by, {"1": [(note.read_text(), note)]})))
    text = squeeze(page.text)
    assert page.open == [] and "Ada Author" in text and "Less than 87.7% <i>" in text
    links = [link["href"] for link in page.all("a") if not link["href"].startswith("#sheet")]
    assert [len(page.all(tag)) for tag in ("em", "li", "h4")] == [1, len(links) - 1 + 2, 9]
    for name in NOTEBOOKS:
        for block in load_answer(tmp_path, name)["blocks"]:
            assert block["kind"] == "heading" or squeeze(render_block(block)) in text
    assert [picture["alt"] for picture in page.all("img")][1] == "A square"
    assert links[-2:] == ["#appendix", "#made"]


# What follows needs a browser.


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(Report(save_answers(tmp_path_factory.mktemp("run")), NOTEBOOKS, STAMP))


@pytest.fixture
def opened(browser, report: Path) -> Iterator:
    """The page as a browser has opened it; at the end, that nothing was asked for and nothing went wrong."""
    page = browser.new_page(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert asked == [report.as_uri()] and wrong == []


def column(page, name: str) -> list[str]:
    """Read the cells of a column of the table of animals that are shown."""
    place = ["animal", "weight"].index(name) + 1
    cells = page.locator(f"table:has(th:has-text('animal')) tbody tr:visible td:nth-child({place})")
    return cells.all_inner_texts()


def test_pictures_are_enlarged_by_click_and_by_enter_and_close_on_escape(opened) -> None:
    opener, dialog = opened.locator(".picture button").nth(1), opened.locator("dialog")
    small = opener.locator("img").bounding_box()
    for act in (opener.click, lambda: opener.press("Enter")):
        assert not dialog.is_visible()
        act()
        assert dialog.is_visible() and "The second curve, of 3 epochs." in dialog.inner_text()
        assert dialog.locator("img").bounding_box()["width"] > small["width"]
        opened.keyboard.press("Escape")
        assert not dialog.is_visible() and opener.evaluate("one => one === document.activeElement")
    opener.click()
    dialog.get_by_role("button", name=words.table("html")["close"]).click()
    assert not dialog.is_visible()


def test_cells_of_the_confusion_matrix_open_the_images_behind_them(opened) -> None:
    cells = opened.locator(".matrix tbody td")
    assert cells.all_inner_texts() == ["5", "3", "0", "9"] and cells.locator("a").all_inner_texts() == ["3"]
    cells.locator("a").press("Enter")
    dialog = opened.locator("dialog")
    assert dialog.locator("img").is_visible() and dialog.locator("p").inner_text() == SHEET
    opened.keyboard.press("Escape")
    assert not dialog.is_visible() and cells.locator("a").evaluate("one => one === document.activeElement")


def test_tables_sort_by_words_and_by_numbers_and_back_with_what_is_missing_last(opened) -> None:
    spoken, numbers = opened.locator("th:has-text('animal')"), opened.locator("th:has-text('weight')")
    numbers.get_by_role("button").click()
    shown = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in sorted(filter(None, VALUES))]
    assert column(opened, "weight") == [*shown, "\N{EN DASH}"]
    assert (numbers.get_attribute("aria-sort"), spoken.get_attribute("aria-sort")) == ("ascending", "none")
    numbers.get_by_role("button").click()
    assert column(opened, "weight") == [*shown[::-1], "\N{EN DASH}"]
    assert numbers.get_attribute("aria-sort") == "descending"
    numbers.get_by_role("button").click()
    assert column(opened, "animal") == NAMES and numbers.get_attribute("aria-sort") == "none"
    spoken.get_by_role("button").click()
    assert column(opened, "animal") == sorted(NAMES, key=lambda name: (name.split()[0].lower(), len(name)))


def test_tables_filter_and_say_how_many_rows_are_left(opened) -> None:
    box = opened.locator("figure:has(th:has-text('animal')) .filter")
    box.get_by_label(words.table("html")["filter"]).fill("MULE")
    assert column(opened, "animal") == ["mule 10", "mule 9"]
    assert box.locator("output").inner_text() == "2 of 10 rows"
    box.get_by_label(words.table("html")["filter"]).fill("")
    assert column(opened, "animal") == NAMES


def test_the_list_of_questions_stays_beside_the_text_and_marks_where_one_is(opened) -> None:
    current = opened.locator(".questions [aria-current]")
    assert current.all_inner_texts() == ["Headline numbers"]
    opened.locator("#question-2-title").evaluate("title => title.scrollIntoView()")
    opened.locator(".questions [aria-current]", has_text="confusion").wait_for()  # its policy lets no test evaluate
    assert current.count() == 1 and current.get_attribute("aria-current") == "location"
    assert 0 <= opened.locator(".questions").bounding_box()["y"] < 100
    opened.locator("#made dd").last.scroll_into_view_if_needed()
    opened.locator(".questions a[href='#made'][aria-current]").wait_for()


def test_the_keyboard_alone_reaches_everything(opened) -> None:
    opened.keyboard.press("Tab")
    assert opened.locator(":focus").inner_text() == words.table("html")["skip"]
    opened.keyboard.press("Enter")
    assert opened.locator(":focus").get_attribute("id") == "report"
    reached = set()
    for _ in range(60):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("[document.activeElement.tagName, document.activeElement.className].join(' ')"))
    assert {"BUTTON zoom", "BUTTON ", "INPUT ", "DIV scroll"} <= reached


def test_sources_are_shown_where_asked_for(opened) -> None:
    source = opened.locator("#figure-1 .source")
    assert not source.is_visible()
    opened.get_by_label(words.table("html")["sources"]).check()
    assert source.is_visible()
    after = opened.locator(".n:has-text('87.7%')").evaluate("one => getComputedStyle(one, '::after').content")
    assert "cnn.test_accuracy" in after


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_any_width_nothing_leaves_the_window_and_axe_finds_nothing_serious(opened, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened.set_viewport_size({"width": width, "height": 800})
    opened.emulate_media(color_scheme=scheme)
    opened.get_by_label(words.table("html")["sources"]).check()  # the longest texts
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.locator(".picture img").first.evaluate("one => getComputedStyle(one).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    found = axe.Axe().run(opened).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [360, 1400])
def test_the_chinese_page_is_switched_to_and_has_no_fault(browser, report: Path, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    both = HandIn(languages=("en", "zh-Hant"))
    with words.use("zh-Hant"):
        chinese, skip, trust = (
            build_report(Report(report.parent, NOTEBOOKS, STAMP, both)),
            words.text("html.skip"),
            words.text(TRUST),
        )
    page = browser.new_page(viewport={"width": width, "height": 800})
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(chinese.as_uri())
    assert page.locator("html").get_attribute("lang") == "zh-Hant" and page.locator(".skip").inner_text() == skip
    assert page.locator(f"h2:has-text('{trust}')").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = axe.Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    page.locator("nav a[hreflang='en']").click()
    page.wait_for_url("**/report.html")
    assert page.locator("html").get_attribute("lang") == "en" and wrong == []
    page.close()


def test_without_its_script_all_of_it_is_shown(browser, report: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report.as_uri())
    shown = squeeze(page.locator("main").inner_text())
    for name in NOTEBOOKS:
        for block in load_answer(report.parent, name)["blocks"]:
            assert squeeze(render_block(block)) in shown
    page.locator(".matrix a").click()  # opens the sheets that it leads into
    assert all(picture.is_visible() for picture in page.locator("main img").all())
    page.context.close()


def test_in_print_only_the_report_is_left_and_pictures_keep_white_paper(opened) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    for hidden in (".questions", ".filter", ".skip"):
        assert not opened.locator(hidden).first.is_visible()
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert escaping.unescape(opened.title()).endswith(STAMP["title"])


def test_chinese_characters_come_with_the_page_in_a_font_of_theirs_and_no_other_page_has_one(tmp_path: Path) -> None:
    assert "data:font" not in build_report(Report(save_large(tmp_path, 3), NOTEBOOKS[:1], STAMP)).read_text(
        encoding="utf-8"
    )
    page = build_report(Report(tmp_path, NOTEBOOKS[:1], STAMP, HandIn(author="林昀妤"))).read_text(encoding="utf-8")
    data = page.partition("data:font/woff;base64,")[2].partition(")")[0]
    shipped = TTFont(BytesIO(b64decode(data))).getBestCmap()
    assert {ord(character) for character in "林昀妤"} <= shipped.keys() and ord("貓") not in shipped
