"""`make bench`: every bench that lies here, one after the other."""

from importlib import import_module
from pathlib import Path

if __name__ == "__main__":  # and not in the process of a worker
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        if path.stem != "turns" and not path.stem.startswith("test_"):
            import_module(path.stem).main()
