"""The blocks of an answer that say something: sentences, headings and captions."""

from collections.abc import Mapping
from typing import Any

from helpers.base import words
from helpers.base.words import Said


def text_block(kind: str, said: Said) -> dict[str, Any]:
    """Make the block of a sentence, heading or caption; ValueError where its words and values do not fit."""
    block = {"kind": kind, **words.plain(kind, said)}
    render_block(block)
    return block


def render_block(block: Mapping[str, Any]) -> str:
    """Set the sentence, heading or caption of one block of a saved answer, in the language that is spoken."""
    return "".join(text for text, _ in block_pieces(block))


def block_pieces(block: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Set a block as `render_block` does, and keep the texts apart: each with the name of the value that it is."""
    said = words.pieces(words.template(block["key"]), block["values"])
    if not (cut := block.get("cut")):
        return said
    between = words.template("layout.between_sentences")
    return [*said, (between, None), *words.pieces(words.template(f"shared.{cut['how']}"), cut["values"])]
