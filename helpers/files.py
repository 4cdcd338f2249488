"""Files that are written at once or not at all."""

import json
import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Named after its writer: two that write the same file at the same time must not share the draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON, indented and in UTF-8, at once or not at all."""
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
