"""Errors that a user can cause, in one line."""


def require(condition: bool, sentence: str) -> None:
    """Raise a ValueError with this sentence unless the condition holds."""
    if not condition:
        raise ValueError(sentence)
