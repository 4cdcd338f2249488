"""What `make bench` runs: one file a subject, each with a `main`. May import every room."""

__all__ = ["turns"]
