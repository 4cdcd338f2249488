"""A study: every combination of data sets, recipes, seeds and networks, each a report as `make report` makes it.

What is finished is kept, so a study that was stopped is taken up by asking for it again.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import product
from pathlib import Path

from helpers.base.files import ROOT, WriteError, reports_folder, write_json, writing
from helpers.base.legal import GIVEN, near
from helpers.base.notebook import UsageError
from helpers.base.runs import RECIPES, SEEDS_VARIABLE
from helpers.build.many.comparison import OUTCOMES, write_comparison
from helpers.build.many.engines import USER, USUAL, Ended, Limits, choose_jobs, open_engine, run_command
from helpers.build.many.progress import Progress
from helpers.build.plan import MADE_WITH, split_words
from helpers.data.datasets import known_data, load_dataset
from helpers.networks.own.source import NAMED
from helpers.report.handin import VARIABLES, read_hand_in

# What decides in the environment how a report is made; workers elsewhere have not inherited it.
FORWARDED = ({*MADE_WITH, *VARIABLES} - {"NETWORK", NAMED, "LANGUAGE"}) | {USER, "SOURCE_DATE_EPOCH"}
_LOOK = 2.0  # seconds from one look at what runs to the next
_FAILURE = re.compile(r"error: |\d\d_\w+ failed ")  # how a line begins that says what went wrong, and in which cell


@dataclass(frozen=True)
class Asked:
    """One report of a study."""

    dataset: str
    recipe: str
    seed: int
    network: str = ""
    image_size: int = 0
    names: tuple[str, str] = ("", "")  # of data and network, where others of the study end alike
    label: str = ""  # of the network in the name of the run, where others of the study would have the same

    def __str__(self) -> str:
        data, network = self.names[0] or Path(self.dataset).name, self.names[1] or Path(self.network).name
        return ", ".join(filter(None, [data, self.recipe, f"seed {self.seed}", network]))

    def command(self, reports: Path) -> list[str]:
        """Give the command line that makes it, with one notebook at a time."""
        words = [f"DATASET={self.dataset}", f"RECIPE={self.recipe}", f"SEED={self.seed}", f"REPORTS={reports}"]
        return [sys.executable, "-m", "helpers", "report", *words, f"IMAGE_SIZE={self.image_size}", "JOBS=1"]


@dataclass(frozen=True)
class Outcome:
    """A report of a study that ended: its run's folder, or what went wrong and where that is told."""

    asked: Asked
    run: Path | None
    log: Path
    ended: Ended

    def sentence(self) -> str:
        """Say how it ended in one line."""
        if self.run:
            return f"{self.asked}: {self.run.name} in {self.ended.seconds:.0f} s"
        return f"{self.asked}: failed, {self.error()} ({self.log})"

    def error(self) -> str:
        """Say in one line what went wrong; nothing where nothing did."""
        lines = self.ended.last.splitlines() or ["without a word, as where the disk is full"]
        return "" if self.run else "; ".join(filter(_FAILURE.match, lines)) or lines[-1]

    def record(self) -> dict[str, object]:
        """Give what is kept of it."""
        told = {"seconds": round(self.ended.seconds, 1), "error": self.error()}
        return {**asdict(self.asked), "run": self.run.name if self.run else "", **told}


def read_seeds(text: str) -> list[int]:
    """Read "0-9" or "0 3 5-7"; UsageError on what is none, or runs backwards."""
    seeds: list[int] = []
    for word in text.replace(",", " ").split() or [text]:
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not (last.isdecimal() and int(first) <= int(last))):
            raise UsageError(f"SEEDS={word} is no seed and no range of them; write, say, SEEDS='0-9' or SEEDS='0 3'.")
        seeds += range(int(first), int(last or first) + 1)
    return [*dict.fromkeys(seeds)]


def combine(datasets: str, recipes: str, seeds: str, networks: str) -> list[Asked]:
    """List every combination; patterns of files among the networks stand for all files that fit.

    Raises UsageError, naming what is near, on a data set, recipe, seed or pattern that there is not.
    """
    data = {known_data(word): None for word in split_words("DATASET", datasets) or ["faces"]}
    named = [*dict.fromkeys(_networks(networks))]
    chosen = [*data], [*dict.fromkeys(recipes.split())] or ["quick"], read_seeds(seeds or "0"), named
    for recipe in chosen[1]:
        if recipe not in RECIPES:
            raise UsageError(f"There is no recipe {recipe}; {near(recipe, RECIPES)}")
    short = short_names(chosen[0]) | short_names(chosen[3])
    stems = Counter(Path(network).stem for network in chosen[3])
    alike = [network for network in chosen[3] if network and stems[Path(network).stem] > 1]
    labels = {network: re.sub(r"[^\w-]+", "-", short[network].replace(".py", "")) for network in alike}
    return [Asked(*one, names=(short[one[0]], short[one[3]]), label=labels.get(one[3], "")) for one in product(*chosen)]


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Name each path by as many of its last parts as no other ends in."""
    ends = {
        path: [str(Path(*Path(path).parts[-most:])) for most in range(1, len(Path(path).parts) + 1)] for path in paths
    }
    common = Counter(end for path in ends for end in ends[path])
    return {path: next((end for end in ends[path] if common[end] == 1), path) for path in ends}


def _networks(text: str) -> Iterator[str]:
    for word in split_words("NETWORK", text) or [""]:
        base = Path(word).anchor or "."
        found = sorted(map(str, Path(base).glob(str(Path(word).relative_to(base))))) if word else []
        if not found and set(word) & set("*?["):
            raise UsageError(f"No file fits NETWORK={word}; name files that there are.")
        yield from (str(Path(name).resolve()) for name in found) if found else [word]


def run_study(
    asked: Sequence[Asked], folder: Path, engine: str = "", jobs: int = 0, limits: Limits = USUAL
) -> list[Outcome]:
    """Make the reports of a study, several at a time, and say of each how it ended; one that fails stops no other.

    folder: of the study; the runs go beside it. Ctrl-C stops what runs. Raises UsageError and WriteError.
    """
    with writing(folder / "logs"):
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    jobs, outcomes = jobs or choose_jobs(limits.threads), []
    print(f"{len(asked)} reports, {'by ' + engine if engine else f'at most {jobs} at a time'}.", flush=True)
    progress = Progress({str(each): _log(each, folder) for each in asked})
    with open_engine(engine, jobs, folder / "logs", limits) as pool, progress.shown():
        waiting = {_submit(pool, each, folder, limits): each for each in asked}
        while waiting:
            for future in wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED).done:
                each = waiting.pop(future)
                outcomes.append(_outcome(each, future, folder))
                progress.ended(str(each), outcomes[-1].sentence())
            progress.tell()
    return outcomes


def _submit(pool: Executor, asked: Asked, folder: Path, limits: Limits) -> Future:
    environment = {name: os.environ[name] for name in sorted(FORWARDED) if os.environ.get(name)}
    environment |= {"NETWORK": asked.network, NAMED: asked.label, "RUN": ""}
    environment |= {GIVEN: " ".join(environment)}
    log = str(_log(asked, folder))
    return pool.submit(run_command, asked.command(folder.parent), environment, str(ROOT), log, limits)


def _log(asked: Asked, folder: Path) -> Path:
    digest = sha256(str(asked).encode()).hexdigest()[:6]  # a-b.py is not a_b.py
    return folder / "logs" / ("".join(c if c.isalnum() else "-" for c in str(asked))[-180:] + f"-{digest}.log")


def _outcome(asked: Asked, future: Future, folder: Path) -> Outcome:
    try:
        ended = future.result()
    except CancelledError:
        raise  # as the engine itself has ended
    except Exception as error:  # of the disk, or of the engine, such as a worker that was killed again and again
        ended = Ended(1, 0.0, f"{'error' if isinstance(error, WriteError) else type(error).__name__}: {error}")
    named = [line.strip() for line in ended.last.splitlines() if line.strip().endswith("report.pdf")]
    run = (ROOT / named[-1]).parent if named and ended.code == 0 else None
    if run and not run.is_dir():  # made in a folder of the same name elsewhere
        last = f"error: {run} is not seen here; share {folder.parent} with the workers."
        run, ended = None, replace(ended, last=last)
    return Outcome(asked, run, _log(asked, folder), ended)


def study(
    dataset: str = "", recipe: str = "", seeds: str = "", network: str = "", engine: str = "", image_size: int = 0,
    jobs: int = 0, threads: int = 0, limit: int = 0, memory: int = 0, filesize: int = 0, gpu: int = 0,
    questions: str = "", language: str = "", study: str = "study",
) -> int:  # fmt: skip
    """Make the reports that are asked for, compare them, and list those that failed; 1 if there are any.

    Raises UsageError and DatasetError on a wrong request, and WriteError.
    """
    os.environ.pop(SEEDS_VARIABLE, None)  # of a study the seeds themselves, and of a report how many
    if questions:
        os.environ["QUESTIONS"] = questions
    languages = read_hand_in(environment={"LANGUAGE": language}).languages
    asked = combine(dataset, recipe, seeds, network or os.environ.get("NETWORK", ""))
    asked = [replace(each, image_size=image_size) for each in asked]
    limits = Limits(threads or 1, limit or 86_400, (memory or 8) * 10**9, (filesize or 20) * 10**9, gpu, memory > 0)
    folder = reports_folder() / Path(study).stem
    for data in {each.dataset for each in asked}:  # decoded once, and not by each of them
        load_dataset(data, image_size=image_size or None)
    outcomes = run_study(asked, folder, engine, jobs, limits)
    failed = [outcome for outcome in outcomes if not outcome.run]
    try:
        write_json(folder / OUTCOMES, {"reports": [outcome.record() for outcome in outcomes]})
        if made := sorted({outcome.run for outcome in outcomes if outcome.run}):
            print("\n".join(write_comparison(made, folder, languages, engine=engine, limits=limits)))
    finally:
        for outcome in failed:
            print(outcome.sentence(), file=sys.stderr)
    return 1 if failed else 0
