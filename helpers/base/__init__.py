"""What every room stands on: files that are written at once or not at all, and the machine. Imports no other room."""

__all__ = ["checks", "code", "files", "folders", "keeper", "legal", "machine", "notebook", "runs", "timings", "words"]
