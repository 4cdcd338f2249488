"""Train the networks of a recipe without a report, and pack them for shipping.

    python -m helpers train DATASET=path/to/fer2013.zip RECIPE=full
    python -m helpers pack  DATASET=path/to/fer2013.zip RECIPE=full

Networks that are shipped learn from all training images and are chosen on the validation split, which in FER2013 is
PublicTest; where the data have no test split, nothing is kept back for one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.base.files import ROOT, reports_folder
from helpers.base.runs import Recipe
from helpers.data.datasets import claim_run, load_dataset
from helpers.grade.confusion import accuracy_table
from helpers.networks.own.source import NetworkError, preferred_side, read_source
from helpers.run import Run
from helpers.training import pretrained
from helpers.training.batches import balances
from helpers.training.loop import Trained
from helpers.training.networks import recipe_about
from helpers.training.pretrained import PretrainedError, PretrainedNetworks
from helpers.training.recipes import get_recipe
from helpers.training.stored import read_record

LARGEST_ENSEMBLE = 5


def open_training(dataset: str, recipe: str, seed: int, reports: Path = ROOT / "reports") -> Run:
    """Open a run whose networks are to be shipped: where the data lack a test split, all training images are kept.

    In that case its folder is apart from that of the report, which keeps a tenth of the training images back.
    Raises ValueError on a recipe, data set or network that does not exist, or is trained already.
    """
    source = read_source(recipe)
    own = None if isinstance(source, str) else source
    if own and own.trained:
        raise NetworkError(f"NETWORK={own.path} is trained already; give a Python file that builds a network.")
    side = preferred_side(recipe)
    usual = load_dataset(dataset, image_size=side or None)
    chosen = recipe_about(get_recipe(recipe), source, usual.evidence is not None)
    apart = usual.missing == ("test",)
    data = load_dataset(dataset, image_size=side or None, keep_training=True) if apart else usual
    facts = {"balance": balances(recipe), **pretrained.traits(source, recipe)}
    folder = claim_run(data, recipe, seed, reports, side, "-shipping" if apart else "", **facts)
    return Run(folder, data, chosen, seed, own=own)


def train_all(run: Run, names: Sequence[str] = ()) -> None:
    """Train the named networks of the recipe, by default all, and say how each ended.

    Finished ones are only loaded, and an interrupted one goes on where it was.
    """
    wanted = list(names or run.networks)
    for number, name in enumerate(wanted, start=1):
        last = run.network(name).history.iloc[-1]
        told = f"{last['val_accuracy']:.1%} on the validation split after {last['epoch']:.0f} epochs"
        print(f"[{number}/{len(wanted)}] {name}: {told}", flush=True)


def pack_all(run: Run, folder: Path, ensemble: Sequence[str] = ()) -> PretrainedNetworks:
    """Pack every network of the run that is trained into a folder, with its manifest, and say which are not there.

    ensemble: names of its members, at most five, by default those of the recipe that are trained. Raises
    PretrainedError if what a report needs is not trained, or too large.
    """
    wanted = [name for name in run.networks if "_seed" not in name or name.startswith("cnn_seed")]
    stored = {name: path for name in wanted if (path := run.stored(name))}
    trained = {name: read_record(path) for name, path in stored.items()}
    usual = [name for name in run.recipe.ensemble if name in trained]
    ablated = run.taken_apart
    members = [*(ensemble or usual)]
    if len(members) > LARGEST_ENSEMBLE:
        raise PretrainedError(f"The ensemble may have {LARGEST_ENSEMBLE} members, not {len(members)}; leave some out.")
    for name in (*pretrained.REQUIRED, *members, ablated):
        if name not in trained:
            told = f"{run.keeper.folder} has no trained network {name!r}, which a report needs; it has"
            advice = f"train it with `make train NETWORKS={name}`"
            raise PretrainedError(f"{told} {', '.join(trained) or 'none'}; {advice}.")
    dataset = run.dataset
    manifest = {
        "title": str(dataset.title), "classes": [*dataset.class_names], "image_shape": [*dataset.image_shape],
        "protocol": "trained on all training images, chosen on the validation split (of FER2013: PublicTest)",
        "ensemble": members, "ablated": ablated,
        "networks": {name: _pack_one(run, folder, name, record) for name, record in trained.items()},
    }  # fmt: skip
    for name in {*wanted} - trained.keys():
        print(f"{name} is not trained, and so not packed")
    return pretrained.finish(folder, manifest)


def _pack_one(run: Run, folder: Path, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write one network's files and describe it; its accuracies are those of the weights as they are stored."""
    trained = run.network(name)
    model, history = trained.model, trained.history
    files = pretrained.ship(folder, name, model, history)
    stored = pretrained.unpack((folder / f"{name}.npz").read_bytes())
    print(f"packed {name}", flush=True)
    return {
        "architecture": model.name, "parameters": model.count_params(), "recipe": run.recipe.name,
        "plan": record["plan"], "teachers": [*run.networks[name].teachers], "seed": record["seed"],
        "epochs": len(history), "seconds": round(float(history["seconds"].sum())), "data": record["data"],
        "machine": record["machine"], "accuracy": _measure(run, Trained(stored, history)),
        "command": f"make train DATASET=<archive> RECIPE={run.recipe.name} SEED={run.seed} NETWORKS={name}",
        "files": files,
    }  # fmt: skip


def _measure(run: Run, trained: Trained) -> dict[str, Any]:
    """Measure a network on the split that it was chosen on: on all images, and on those without a twin in training."""
    labels, alone = run.split("validation").labels, run.without_twin("validation")
    probabilities = run.predict(trained, "validation")
    measured = {}
    for kind, chosen in (("all", np.ones(len(labels), bool)), ("twin_free", alone)):
        (row,) = accuracy_table(labels[chosen], {"all": probabilities[chosen]}).to_dict("records")
        measured[kind] = {"images": int(chosen.sum()), **{key: row[key] for key in ("accuracy", "low", "high")}}
    return {"PublicTest" if run.dataset.title == "FER2013" else "validation": measured}


def train(dataset: str = "faces", recipe: Recipe = "quick", seed: int = 0, networks: str = "") -> None:
    """Train the networks of a recipe, or those that are named, with blanks between."""
    run = open_training(dataset, recipe, seed, reports_folder())
    train_all(run, networks.split())
    print(f"The networks are in {run.keeper.folder}.")


def pack(dataset: str = "faces", recipe: Recipe = "quick", seed: int = 0, folder: str = "", ensemble: str = "") -> None:
    """Pack the networks of a recipe that are trained into a folder, by default that of the shipped ones."""
    target = Path(folder or pretrained.FOLDER)
    shipped = pack_all(open_training(dataset, recipe, seed, reports_folder()), target, ensemble.split())
    print(f"{len(shipped.names)} networks are packed in {target}.")
