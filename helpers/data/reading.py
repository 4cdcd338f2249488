"""How a data set is read, in one place: readers fill a Reading; look, report, notebook and errors say what it holds.

Whatever a reader decides or leaves out goes into the Reading, so that nothing can be passed over in silence.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from helpers.base.words import Said, plain, said, some, stored

SPLITS = ("train", "validation", "test")
OTHER_SPLIT_NAMES: Mapping[str, str] = {"train": "training", "validation": "validation", "test": "test"}
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # categories of characters
_WHOLE = "whole"  # what is in no split
_NAMED = 12  # classes that a sentence names before it counts the rest


@dataclass(frozen=True)
class Unused:
    """Files or rows that were not used for one reason.

    kind: words for what they are and why, with the value n for their number: "2 images without a label"; example: one
    name.
    """

    kind: Said
    count: int
    example: str


@dataclass(frozen=True)
class Pixels:
    """How images become arrays.

    size: pixels a side of the arrays; colour: whether they have three channels; bits: a channel, that are used in the
    files; fit: how an oblong image becomes a square; cropped: share of the area that is cut off, on average, 0 to 1;
    notes: whole sentences, such as warnings; black, white: values that become 0 and 255, in files of more than 8 bits;
    ground: grey level, 0 to 255, on which transparent images are laid.
    """

    size: int
    colour: bool
    bits: int = 8
    fit: str = "crop"
    cropped: float = 0.0
    notes: tuple[Said | str, ...] = ()
    black: float = 0.0
    white: float = 65535.0
    ground: int = 255

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self.size, self.size, 3 if self.colour else 1


@dataclass(frozen=True)
class Reading:
    """How a data set is read.

    title: for people; class_names: in the order of the labels; labels_from, splits_from: what tells them, as the end
    of a sentence ("the names of the folders at level 1, such as 'cat'"); counts: images by split ("" where the source
    does not say) and class, by name; pixels: how images become arrays; unused: what was left out; recognised_by: by
    what a known data set was recognised, if it was; options: those in force, as a user writes them; split_names: what
    the source calls each of SPLITS; notes: further whole sentences that a report must state.
    """

    title: Said | str = ""
    class_names: tuple[str, ...] = ()
    labels_from: Said | str = ""
    pixels: Pixels = Pixels(0, colour=False)
    splits_from: Said | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unused: tuple[Unused, ...] = ()
    recognised_by: Said | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    split_names: Mapping[str, str] = field(default_factory=lambda: dict(OTHER_SPLIT_NAMES))
    notes: tuple[Said | str, ...] = ()

    def sentences(self) -> list[Said | str]:
        """Say how the data set is read, one whole sentence an item, the most important first."""
        pixels, total = self.pixels, sum(number for split in self.counts.values() for number in split.values())
        by = {"by": self.recognised_by} if self.recognised_by else {}
        names = some(self.class_names, _NAMED)
        sentences = [
            said("data.read.recognised" if by else "data.read.title", title=self.title, n=total, **by),
            said("data.read.classes", n=len(self.class_names), labels=self.labels_from, names=names),
            *([said("data.read.spelt", names=alike)] if (alike := self._spelt_alike()) else []),
            *([said("data.read.splits", splits=self.splits_from)] if self.splits_from else []),
            *(self._split_sentence(split) for split in self.counts),
            said("data.read.colour" if pixels.colour else "data.read.grey", size=pixels.size, bits=pixels.bits),
        ]
        if pixels.cropped >= 0.005:
            sentences.append(said("data.read.cropped", share=pixels.cropped))
        sentences += self.unused_notes()
        if options := [f"{name}={value}" for name, value in self.options.items()]:
            sentences.append(said("data.read.options", options=options))
        return [*sentences, *pixels.notes, *self.notes]

    def _spelt_alike(self) -> list[str | Said]:
        """List the classes whose names differ from another's in capitals, blanks, dashes or marks of a copy alone."""
        plain = {
            name: re.sub(r"( ?- copy| copy| ?\(\d+\))+$|[\s_-]+", "", name.casefold()) for name in self.class_names
        }
        often = Counter(plain.values())
        alike = [name for name, spelt in plain.items() if re.search(r"[^\W\d]", spelt) and often[spelt] > 1]
        return some(alike, _NAMED)

    def unused_notes(self) -> tuple[Said, ...]:
        """Say what was not used, one whole sentence a kind."""
        whats = [(said(part.kind.key, **part.kind.values, n=part.count), part.example) for part in self.unused]
        return tuple(said("data.read.unused", what=what, example=example) for what, example in whats)

    def _split_sentence(self, split: str) -> Said:
        counts = self.counts[split]
        spread: Said | list[Said] = said("data.read.spread", low=min(counts.values()), high=max(counts.values()))
        if len(counts) <= _NAMED:
            named = [label for label in self.class_names if label in counts]
            spread = [said("data.read.each", name=label, n=counts[label]) for label in named]
        # by what it stands for, since the source's name may be that of another's stand-in
        return said(f"data.split.{split or _WHOLE}", n=sum(counts.values()), spread=spread)

    def as_json(self) -> dict[str, Any]:
        """Give the reading as JSON can hold it; `from_json` reads it back."""
        return plain("reading", asdict(self))


def from_json(kept: Mapping[str, Any]) -> Reading:
    """Give the reading that `Reading.as_json` made."""
    pixels = Pixels(**{**kept["pixels"], "notes": tuple(map(stored, kept["pixels"]["notes"]))})
    left = tuple(Unused(**{**part, "kind": stored(part["kind"])}) for part in kept["unused"])
    one = {name: stored(kept[name]) for name in ("title", "labels_from", "splits_from", "recognised_by")}
    many = {"class_names": tuple(kept["class_names"]), "notes": tuple(map(stored, kept["notes"]))}
    return Reading(**{**kept, **one, **many, "pixels": pixels, "unused": left})


def unused(kind: Said, names: Sequence[str]) -> tuple[Unused, ...]:
    """Describe files or rows of one kind that were not used; nothing where there are none."""
    return (Unused(kind, len(names), printable(names[0])),) if names else ()


def count(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Count images by split and class from a pair of both for every image."""
    counts: dict[str, dict[str, int]] = {}
    for (split, name), number in sorted(Counter(pairs).items()):
        counts.setdefault(split, {})[name] = number
    return {split: counts[split] for split in ("", *SPLITS) if split in counts}


def printable(name: str) -> str:
    """Spell a name so that it can be printed and stored: accents composed, control characters and bad bytes escaped."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _UNPRINTABLE else c for c in composed
    )
