"""The file of a trained network, opened in a process of its own, which may reach no network and no other files.

What a file of Keras holds is partly a program, and `safe_mode` is no sandbox. So another process loads it, with what
it may open watched, builds it once in the form that is expected, and writes it anew; this process reads what that one
wrote, with the layers of Keras and of the user's own Python file alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.base.files import ROOT
from helpers.base.machine import forked
from helpers.networks.own.source import WEIGHTS, NetworkError, Source, describe, import_file, tell

if TYPE_CHECKING:
    import keras

PATIENCE = 600  # seconds that opening a file may take
FORBIDDEN = ("socket.", "ctypes.", "subprocess.Popen", "os.system", "os.exec", "os.link", "os.symlink")
_STARTING = ("os.posix_spawn", "os.fork", "pty.spawn")
# Allowed in the folders that it may use.
_CHANGING = ("os.remove", "os.rename", "os.truncate", "os.chmod", "os.mkdir", "os.rmdir", "shutil.rmtree")


def check(source: Source, image_shape: tuple[int, int, int], classes: int) -> bytes:
    """Try a user's network in a process of its own; give the file of a trained one, written anew, or nothing.

    Raises NetworkError, in one sentence, where the network cannot be opened, built or used for these data.
    """
    with tempfile.TemporaryDirectory() as folder:
        task = {"path": str(source.path), "function": source.function, "shape": image_shape, "classes": classes}
        task |= {"custom": str(source.custom or ""), "folder": folder, "preprocess": source.preprocess}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"TMPDIR": folder, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
        opened = forked("helpers.networks.own.opening", json.dumps(task))
        try:
            subprocess.run(opened, env=environment, capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise NetworkError(f"{source.path} was not opened within {PATIENCE} seconds.") from None
        said = Path(folder) / "error.txt"
        if said.is_file():
            raise NetworkError(said.read_text(encoding="utf-8"))
        written = Path(folder) / "network.keras"
        if not (Path(folder) / "done").is_file():
            raise NetworkError(f"{source.path} ended the process that opened it; it is damaged, or too large.")
        return written.read_bytes() if written.is_file() else b""


def read(content: bytes, source: Source) -> "keras.Model":
    """Read what `check` gave as a network; a SavedModel, of which that is nothing, from its own folder."""
    if source.path.is_dir():
        return _load(source.path, source)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.keras"
        file.write_bytes(content)
        return _load(file, source)


def _load(path: Path, source: Source) -> "keras.Model":
    import keras

    from helpers.networks.own.exported import open_exported

    if path.is_dir():
        return open_exported(path)
    objects = vars(import_file(source.custom)) if source.custom else {}
    own = {name: value for name, value in objects.items() if callable(value) and not name.startswith("_")}
    network = keras.saving.load_model(path, custom_objects=own, compile=False, safe_mode=True)
    network.name = source.name  # which tells more than Keras's functional_3
    return network


def _open_guarded(source: Source, folder: Path) -> "keras.Model":
    import keras

    if source.custom:
        import_file(source.custom)  # the user's own program, unlike the file
    for name in ("warm.keras", "warm.h5"):
        keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1)]).save(folder / name)
        keras.saving.load_model(folder / name)  # all that this needs is imported by now
    os.chdir(folder)  # where a path is told from a folder that is open already, it is told from an allowed one
    own = [source.path if source.path.is_dir() else source.path.parent]
    own += [source.custom.parent] if source.custom else []
    sys.addaudithook(_guard([*own, folder, Path(sys.prefix), Path(sys.base_prefix), ROOT / "helpers"]))
    return _load(source.path, source)


def _guard(allowed: list[Path]) -> Callable[[str, tuple[Any, ...]], None]:
    """Make a hook that refuses what a file of numbers has no need of."""
    places = [os.path.realpath(place) + os.sep for place in allowed]
    devices = ("/dev/null", "/dev/urandom", "/proc/self")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        paths = [one for one in arguments if isinstance(one, str | bytes | os.PathLike)]
        outside = event in _CHANGING and not all(_lies_in(path, places) for path in paths)
        if outside or event.startswith((*FORBIDDEN, *_STARTING)):
            raise PermissionError(f"it asks for {event}")
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            if not _lies_in(path, places) and not path.startswith(devices):
                raise PermissionError(f"it asks for the file {path}")

    return hook


def _lies_in(path: Any, places: list[str]) -> bool:
    whole = os.path.realpath(os.fsdecode(path))
    return any(whole.startswith(place) for place in places)


def sentence(error: BaseException, path: Path) -> str:
    """Say in one sentence what a file raised when it was loaded."""
    text = " ".join(str(error).split())
    code = "a lambda as an activation" if "identifier: {'value': [" in text else ""  # its bytecode
    code = "a Lambda layer" if "Lambda" in text or "lambda" in text else code
    if code:
        return (
            f"{path} holds {code}, which is a program; define its function by its name in a Python file, or "
            "where it has none write the layer as one of your own there and save the network with it, and name that "
            "file by CUSTOM=layers.py."
        )
    if "Could not locate" in text or "Unknown layer" in text:
        return f"{path} has a layer that Keras does not know; name the Python file that defines it by CUSTOM=layers.py."
    if isinstance(error, PermissionError):
        return f"{path} is not opened: {text}, which no network needs."
    whole = 'write the whole network by model.save("model.keras")'
    if "No model config" in text:
        return f"{path} holds no network, but weights alone at most; {whole}."
    text = tell(error)
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        text = "it is no archive, or is cut short"  # Keras says that there is no such file
    return f"{path} cannot be opened as a Keras model; it is damaged or of another kind ({text}); {whole}."


def main(task: dict[str, Any]) -> None:
    """Open or build the network of a task; write it anew, or the sentence that says why not."""
    from helpers.networks.own import built, proof
    from helpers.networks.own.backbone import find_backbone
    from helpers.networks.own.canonical import canonical

    folder, custom = Path(task["folder"]), task["custom"]
    given = Source(Path(task["path"]), task["function"], Path(custom) if custom else None, task["preprocess"])
    shape = tuple(task["shape"])
    try:
        source = find_backbone(given.function, os.environ.get(WEIGHTS, "")) or given
        if source.trained:
            try:
                network = _open_guarded(source, folder)
            except NetworkError:
                raise
            except (Exception, SystemExit) as error:  # whatever a foreign file brings about
                raise NetworkError(sentence(error, source.path)) from error
            proof.check_numbers(network)
            canonical(network, shape, task["classes"])
            if source.path.is_file():
                network.save(folder / "network.keras")
        else:
            noise = np.random.default_rng(0).integers(0, 256, (proof.IMAGES, *shape), np.uint8)
            built.checks(source, task["classes"], noise)
            built.build(source, shape, task["classes"])
            built.compiled_with(source, shape, task["classes"])
        (folder / "done").touch()
    except BaseException as error:  # whatever a user's layers bring about when they are called or made anew
        known = isinstance(error, NetworkError)
        said = str(error) if known else f"{given.path} cannot be used: {describe(error, given.path)}"
        (folder / "error.txt").write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
