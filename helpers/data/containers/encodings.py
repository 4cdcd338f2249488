"""How names in a zip and texts are written where nothing says: the script whose common characters they are."""

import codecs
import math
import unicodedata
import zipfile
from collections.abc import Sequence
from functools import partial
from itertools import islice

from chardet import big5freq, euckrfreq, gb2312freq, jisfreq
from chardet import chardistribution as common

from helpers.base.words import Said, said

# Encoding: its name for people, the character set that its characters are ranked in by how common they are, and how
# fast these get rarer: the share of a text that the r most common make up is near to 1 - exp(-r / scale).
_SCRIPTS: dict[str, tuple[str, str, common.CharDistributionAnalysis, Sequence[int], float]] = {
    "gb18030": ("GBK", "gb2312", common.GB2312DistributionAnalysis(), gb2312freq.GB2312_CHAR_TO_FREQ_ORDER, 420),
    "big5": ("Big5", "big5", common.Big5DistributionAnalysis(), big5freq.BIG5_CHAR_TO_FREQ_ORDER, 470),
    "cp932": ("Shift-JIS", "euc_jp", common.EUCJPDistributionAnalysis(), jisfreq.JIS_CHAR_TO_FREQ_ORDER, 300),
    "cp949": ("EUC-KR", "euc_kr", common.EUCKRDistributionAnalysis(), euckrfreq.EUCKR_CHAR_TO_FREQ_ORDER, 120),
}
_ACCENTED, _DRAWN = 9.0, 20.0  # surprise at a letter of the West, and at a sign for drawing frames, in a name
_SAMPLED = 1_000  # lines of a text by which its encoding is told
_RAREST = 8_000  # rank of a character that is in no list


def decode_names(entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], tuple[Said, ...]]:
    """Read the names of a zip's entries; returns them, and a note where an encoding had to be chosen.

    It is the one that all names are legal in and, of several, in which their characters are likeliest.
    """
    raw = [b"" if entry.flag_bits & 0x800 else entry.orig_filename.encode("cp437") for entry in entries]
    foreign = {name for name in raw if not name.isascii()}
    legal = [encoding for encoding in ("utf-8", "cp437", *_SCRIPTS) if _is_legal(foreign, encoding)]
    encoding = legal[0] if legal[0] == "utf-8" else min(legal, key=partial(_surprise, foreign))
    pairs = zip(raw, entries, strict=True)
    names = [name.decode(encoding) if name in foreign else entry.filename for name, entry in pairs]
    return names, (said("data.notes.encoding", encoding=_SCRIPTS[encoding][0]),) if encoding in _SCRIPTS else ()


def decode_text(data: bytes) -> str:
    """Read a text, such as a table that a program for sheets has written: UTF-8, UTF-16, or what is likeliest."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:_SAMPLED]:  # UTF-16 without its mark, where signs of ASCII have a zero as their high byte
        return data.decode("utf-16-le" if b"\0" in data[1:_SAMPLED:2] else "utf-16-be", errors="replace")
    if _is_legal({data}, "utf-8"):
        return data.decode("utf-8-sig")
    legal = [encoding for encoding in ("cp1252", *_SCRIPTS) if _is_legal({data}, encoding)]
    sample = {*islice((line for line in data.splitlines() if not line.isascii()), _SAMPLED)}
    return data.decode(min(legal, key=partial(_surprise, sample), default="utf-8"), errors="replace")


def _is_legal(names: set[bytes], encoding: str) -> bool:
    try:
        return all(name.decode(encoding) is not None for name in names)
    except UnicodeDecodeError:
        return False


def _surprise(parts: set[bytes], encoding: str) -> float:
    """Give minus the log likelihood of the characters of names, a character a time."""
    characters = [character for part in parts for character in part.decode(encoding) if not character.isascii()]
    if encoding not in _SCRIPTS:
        return sum(_ACCENTED if unicodedata.name(c, "").startswith("LATIN") else _DRAWN for c in characters)
    scale = _SCRIPTS[encoding][-1]
    return sum(math.log(scale) + _rank(character, encoding) / scale for character in characters)


def _rank(character: str, encoding: str) -> int:
    _, charset, analysis, ranks, _ = _SCRIPTS[encoding]
    order = analysis.get_order(code) if len(code := character.encode(charset, "ignore")) == 2 else -1
    return ranks[order] if 0 <= order < len(ranks) else _RAREST
