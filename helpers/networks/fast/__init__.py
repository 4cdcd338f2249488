"""The one door to speed: twins of a network that compute the same thing faster.

May import `base` and `networks`; others see only what this door exports.
"""
