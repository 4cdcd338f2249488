"""Errors that a user can cause, in one line."""


class UserError(Exception):
    """What a user can put right; the message is one sentence that says how, and needs no traceback."""


def require(condition: bool, sentence: str) -> None:
    """Raise a ValueError with this sentence unless the condition holds."""
    if not condition:
        raise ValueError(sentence)
