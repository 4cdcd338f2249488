"""The accuracies of the shipped networks as the table of their README, from a report that was made with them.

python tests/shipped_table.py reports/fer2013-pretrained data/pretrained/fer2013/README.md
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.answers import load_answer
from helpers.base.files import write_atomically
from helpers.training.pretrained import PretrainedNetworks, open_pretrained

# What the reference answers state for FER2013: network, parameters where they are known, accuracy.
REFERENCES = (
    ("A: CNN (on what A calls validation images)", 1_696_583, 0.6634),
    ("A: DNN (on what A calls validation images)", 1_698_183, 0.3967),
    ("B: member 1", None, 0.68180),
    ("B: member 2", None, 0.68124),
    ("B: ensemble of both", None, 0.70632),
    ("B: per-image normalization, no augmentation", None, 0.64781),
    ("B: no normalization, no augmentation", None, 0.64530),
    ("B: no normalization, no batch norm", None, 0.56338),
)
MARK = "<!-- accuracies of the shipped networks -->"
# The networks of notebook 02's ablation table, but for the first.
ABLATION_ROWS = ("cnn_plain", "cnn_normalized", "cnn_bare", "cnn_bare_fast")  # after the CNN that is taken apart


def tabulate(run: Path, shipped: PretrainedNetworks) -> str:
    """Write the accuracies of a report as a Markdown table, with the reference answers' beside them.

    run: folder of a report that was made with RECIPE=pretrained. Every accuracy is one that the report measured; the
    manifest gives only how a network was trained. Raises AnswerError where there is no such report.
    """
    tested = _tested(run)
    columns = ["network", "parameters", f"{tested}, all", f"{tested}, without copies", "epochs, time", "machine"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [_line(row, shipped) for row in _measured(run, shipped)]
    if tested == "PublicTest":
        lines += [f"| {name} | {_count(count)} | {accuracy:.2%} | | | |" for name, count, accuracy in REFERENCES]
    recipes = sorted({shipped.record(name)["recipe"] for name in shipped.names})
    return "\n".join([*lines, "", f"Recipe: {', '.join(recipes)}. The report is about `cnn` and `dnn`."])


def insert(page: Path, text: str) -> None:
    """Put a text between the two marks of a page, in place of what is there; ValueError where it has no marks."""
    parts = page.read_text(encoding="utf-8").split(MARK)
    if len(parts) != 3:
        raise ValueError(f"{page} does not have the mark {MARK} twice; put it before and after the place of the table.")
    write_atomically(page, f"{parts[0]}{MARK}\n\n{text}\n\n{MARK}{parts[2]}".encode())


def _tested(run: Path) -> str:
    """Name the test split of a report on FER2013: where networks were chosen on it, it is PublicTest."""
    return "PublicTest" if "test_images" in load_answer(run, "01_train_cnn")["numbers"] else "PrivateTest"


def _measured(run: Path, shipped: PretrainedNetworks) -> Iterator[dict[str, Any]]:
    """Go through the rows of the report's tables, each network once, with the name under which it is shipped."""
    manifest, seen = shipped.manifest, set()
    headline = [row for row in _rows(run, "01_train_cnn", "accuracy") if row["split"] == "test"]
    compared = _rows(run, "02_compare_dnn", "accuracy")
    others = {"CNN": "cnn", "DNN": "dnn"}
    ablated = [manifest["ablated"], *ABLATION_ROWS]
    named = [
        *zip(_names_of_rows(manifest["ensemble"]), headline),
        *((others.get(row["network"], row["network"]), row) for row in compared),
        *zip(ablated, _rows(run, "02_compare_dnn", "ablation")),
    ]
    for name, row in named:
        if name not in seen:
            seen.add(name)
            yield {**row, "name": name}


def _names_of_rows(members: Sequence[str]) -> list[str]:
    """Name the rows of notebook 01's accuracy table: CNN and ensemble's members, then what is made of their answers."""
    shown = list(dict.fromkeys(["cnn", *members]))
    cropped = [f"`{name}`, four crops of each image" for name in shown]
    return [*shown, f"ensemble ({', '.join(members)})", *cropped, "ensemble, four crops of each image"]


def _rows(run: Path, notebook: str, table: str) -> list[dict[str, Any]]:
    blocks = load_answer(run, notebook)["blocks"]
    block = next(block for block in blocks if block["kind"] == "table" and block["name"] == table)
    return [dict(zip(block["columns"], row)) for row in block["rows"]]


def _line(row: Mapping[str, Any], shipped: PretrainedNetworks) -> str:
    measured = [_interval(row, ""), _interval(row, "twin-free ")]
    if row["name"] not in shipped.names:
        return f"| {row['name']} | | {' | '.join(measured)} | | |"
    record = shipped.record(row["name"])
    made = f"{record['epochs']}, {record['seconds'] / 60:.1f} min"
    taught = f", taught by {', '.join(record['teachers'])}" if record.get("teachers") else ""
    first = f"`{row['name']}` ({record['architecture']}, seed {record['seed']}{taught})"
    return " | ".join([f"| {first}", _count(record["parameters"]), *measured, made, f"{record['machine']} |"])


def _interval(row: Mapping[str, Any], kind: str) -> str:
    if row.get(f"{kind}accuracy") is None:
        return ""
    return f"{row[f'{kind}accuracy']:.2%} ({row[f'{kind}low']:.1%} to {row[f'{kind}high']:.1%})"


def _count(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters:,}"


if __name__ == "__main__":
    insert(Path(sys.argv[2]), tabulate(Path(sys.argv[1]), open_pretrained()))
