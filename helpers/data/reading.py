"""How a data set is read, in one place: readers fill a Reading; look, report, notebook and errors say what it holds.

Whatever a reader decides or leaves out goes into the Reading, so that nothing can be passed over in silence.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SPLITS = ("train", "validation", "test")
OTHER_SPLIT_NAMES: Mapping[str, str] = {"train": "training", "validation": "validation", "test": "test"}
_NAMED = 12  # classes that a sentence names before it counts the rest


@dataclass(frozen=True)
class Unused:
    """Files or rows that were not used for one reason.

    kind: says what they are and why, in the plural and without a number: "images without a label"; example: one name.
    """

    kind: str
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
    notes: tuple[str, ...] = ()
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

    title: str = ""
    class_names: tuple[str, ...] = ()
    labels_from: str = ""
    pixels: Pixels = Pixels(0, colour=False)
    splits_from: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unused: tuple[Unused, ...] = ()
    recognised_by: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    split_names: Mapping[str, str] = field(default_factory=lambda: dict(OTHER_SPLIT_NAMES))
    notes: tuple[str, ...] = ()

    def with_unused(self, unused: Iterable[Unused]) -> "Reading":
        """Give the same reading with more left out; what is of one kind is added up."""
        merged: dict[str, Unused] = {}
        for part in (*self.unused, *unused):
            known = merged.get(part.kind)
            merged[part.kind] = replace(known, count=known.count + part.count) if known else part
        return replace(self, unused=tuple(part for part in merged.values() if part.count))

    def sentences(self) -> list[str]:
        """Say how the data set is read, one whole sentence an item, the most important first."""
        pixels, total = self.pixels, sum(number for split in self.counts.values() for number in split.values())
        by = f", recognised by {self.recognised_by}" if self.recognised_by else ""
        rest = len(self.class_names) - _NAMED
        named = ", ".join(self.class_names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        said = [
            f"{self.title}{by}: {_plural(total, 'image')}.",
            f"The {len(self.class_names)} classes are {self.labels_from}: {named}.",
            *([f"The splits are {self.splits_from}."] if self.splits_from else []),
            *(self._split_sentence(split) for split in self.counts),
            f"Images become {pixels.size} x {pixels.size} pixels {'in colour' if pixels.colour else 'in grey'}, from "
            f"{pixels.bits} bits a channel.",
        ]
        if pixels.cropped >= 0.005:
            said.append(f"Cropping to squares cuts off {pixels.cropped:.0%} of the area on average.")
        said += self.unused_notes()
        if self.options:
            said.append(f"Decided by {', '.join(f'{name}={value}' for name, value in self.options.items())}.")
        return [*said, *pixels.notes, *self.notes]

    def unused_notes(self) -> tuple[str, ...]:
        """Say what was not used, one whole sentence a kind."""
        return tuple(f"Not used: {part.count:,} {part.kind}, such as {part.example}." for part in self.unused)

    def _split_sentence(self, split: str) -> str:
        counts = self.counts[split]
        name = OTHER_SPLIT_NAMES.get(split, "all in one piece")  # the source's name may be that of another's stand-in
        spread = f"{min(counts.values()):,} to {max(counts.values()):,} a class"
        if len(counts) <= _NAMED:
            spread = ", ".join(f"{label} {counts[label]:,}" for label in self.class_names if label in counts)
        return f"{name[0].upper()}{name[1:]}: {_plural(sum(counts.values()), 'image')} ({spread})."

    def as_json(self) -> dict[str, Any]:
        """Give the reading as JSON can hold it; `from_json` reads it back."""
        return asdict(self)


def from_json(stored: Mapping[str, Any]) -> Reading:
    """Give the reading that `Reading.as_json` stored."""
    pixels = Pixels(**{**stored["pixels"], "notes": tuple(stored["pixels"]["notes"])})
    unused = tuple(Unused(**part) for part in stored["unused"])
    texts = {name: tuple(stored[name]) for name in ("class_names", "notes")}
    return Reading(**{**stored, **texts, "pixels": pixels, "unused": unused})


def unused(kind: str, names: Sequence[str]) -> tuple[Unused, ...]:
    """Describe files or rows of one kind that were not used; nothing where there are none."""
    return (Unused(kind, len(names), printable(names[0])),) if names else ()


def count(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Count images by split and class from a pair of both for every image."""
    counts: dict[str, dict[str, int]] = {}
    for (split, name), number in sorted(Counter(pairs).items()):
        counts.setdefault(split, {})[name] = number
    return {split: counts[split] for split in ("", *SPLITS) if split in counts}


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def printable(name: str) -> str:
    """Spell a name so that it can be printed and stored: accents composed, control characters and bad bytes escaped."""
    return "".join(map(_escape, unicodedata.normalize("NFC", name)))


def _escape(character: str) -> str:
    unprintable = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if unprintable else character
