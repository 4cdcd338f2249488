"""The words of reports: the same keys and fields in each language, and what is set into them."""

import re

import numpy as np
import pytest

from helpers.base import words
from helpers.base.words import Said, fields, said

OTHERS = [name for name in words.languages() if name != words.PLAIN]


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_sentences_with_the_same_fields(language: str) -> None:
    plain, other = words.catalogue(words.PLAIN), words.catalogue(language)
    assert set(plain) ^ set(other) == set()
    assert {key for key in plain if fields(plain[key]) != fields(other[key])} == set()


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_names(language: str) -> None:
    plain = set(words.names())
    with words.use(language):
        assert set(words.names()) ^ plain == set()


@pytest.mark.parametrize("language", words.languages())
def test_no_sentence_has_blanks_too_many(language: str) -> None:
    for key, template in words.catalogue(language).items():
        assert "  " not in template, key
        assert template == template.strip() or key.endswith(("between_sentences", "between_parts")), key


def test_chinese_has_punctuation_as_wide_as_its_characters() -> None:
    narrow = re.compile(r"[\u4e00-\u9fff][,;:?!()]|[,;:?!(][\u4e00-\u9fff]")
    assert [key for key, said in words.catalogue("zh-Hant").items() if narrow.search(said)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_blank_stands_between_two_chinese_characters(language: str) -> None:
    apart = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef] +[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
    option = re.compile(r"[A-Z]+=\S+")  # ends in a Chinese word that is to be replaced
    assert [key for key, said in words.catalogue(language).items() if apart.search(option.sub("-", said))] == []


def test_a_large_number_is_counted_in_thousands_and_millions_or_as_chinese_counts_in_ten_thousands() -> None:
    sentence, costs = "{cnn:compact}/{dnn:compact}", {"cnn": 13_021_440, "dnn": 224_132}
    assert words.render(sentence, costs) == "13 million/224.1 thousand"
    with words.use("zh-Hant"):
        assert words.render("做{cnn:compact}次，{dnn:compact}次。", costs) == "做 1302.1 萬次，22.4 萬次。"


def test_a_list_and_a_count_are_set_as_the_language_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert words.render("{n:,} {n:image|images}", {"n": 1}) == "1 image"
    assert words.render("{n:,} {n:image|images}", {"n": 1200}) == "1,200 images"
    assert words.render("{names}", {"names": ["a", "b", "c"]}) == "a, b and c"
    with words.use("zh-Hant"):
        assert words.render("{names}", {"names": ["a", "b", "c"]}) == "a、b 和 c"
        assert words.day("2025-01-31") == "2025年1月31日"
    assert words.day("2025-01-31") == "31 January 2025"


def test_a_part_in_a_sentence_is_set_in_the_language_of_the_sentence() -> None:
    part = said("shared.head", rows_in_all=np.int64(50), end=3, file="a.csv")
    whole = Said("Here: {part}", {"part": [part]})
    assert words.show(whole) == "Here: Of 50 rows the first 3 are shown; a.csv holds all."
    with words.use("zh-Hant"):
        assert words.show(whole) == "Here: 共 50 列，這裡列出前 3 列；完整內容在 a.csv。"


def test_a_key_without_words_and_a_value_that_no_word_uses_are_told() -> None:
    with pytest.raises(ValueError, match=r"shared\.nothing"):
        words.text("shared.nothing")
    with pytest.raises(ValueError, match="'more'"):
        words.text("shared.trust", more=1)


@pytest.mark.parametrize(("value", "shown"), [(-0.004, "0.00"), (-0.005001, "\N{MINUS SIGN}0.01"), (-0.0, "0.00")])
def test_a_number_that_is_rounded_to_nothing_has_no_sign(value: float, shown: str) -> None:
    assert words.render("{value:.2f}", {"value": value}) == shown


@pytest.mark.parametrize("language", words.languages())
def test_classes_of_a_user_are_shown_as_they_are_whatever_else_is_called_so(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_kept", frozenset())  # and back again after the test
    known = words._sections(language)["classes_emotions"]
    with words.use(language):
        usual = words.show("true"), words.show("share")
        words.keep(["true", "image", "happy"])
        assert [words.show(name) for name in ("true", "image", "happy")] == ["true", "image", "happy"]
        assert "true" in words.text("differences.pair", true="true", predicted="image") and usual[0] != "true"
        assert words.show("share") == usual[1]
        words.keep(sorted(known))
        assert (words.show("happy"), words.show("true")) == (known["happy"], usual[0])


def test_a_layer_is_named_by_its_kind_and_number_and_a_class_of_a_user_that_is_called_so_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(words, "_kept", frozenset())
    assert [words.show(name) for name in ("relu 6", "member 1", "C# 3")] == ["ReLU 6", "member 1", "C# 3"]
    with words.use("zh-Hant"):
        assert words.show("relu 6") == "ReLU 6" and words.show("member 1") == "成員 1"
        words.keep(["relu 6", "relu 7"])
        assert words.show("relu 6") == "relu 6"


def test_chinese_and_a_letter_or_number_stand_apart_and_each_of_a_list_in_quotation_marks() -> None:
    values = {"a": "relu 1", "b": 3, "c": ["happy", "sad"]}
    with words.use("zh-Hant"):
        assert words.render("從{a}到{b}層，{c:each}", values) == "從 ReLU 1 到 3 層，「快樂」和「難過」"
        assert words.render("{a}的{b:.0%}", {"a": "RISE", "b": 0.5}) == "RISE 的 50%"
    assert words.render("{a}s and {b}%", {"a": "cat", "b": 3}) == "cats and 3%"


@pytest.mark.parametrize(("value", "shown"), [(230.4, "230"), (12345.0, "12,000"), (2.34, "2.3"), (1e-5, "1e−05")])
def test_a_large_number_of_few_digits_has_no_exponent(value: float, shown: str) -> None:
    assert words.format_value(value, ".2g") == shown


def test_a_name_that_ends_in_a_full_stop_ends_a_sentence_with_one() -> None:
    assert words.render("Told from {name}. More.", {"name": "guided backprop."}) == "Told from guided backprop. More."
    assert words.render("{name}, {name} and ...", {"name": "etc."}) == "etc., etc. and ..."
