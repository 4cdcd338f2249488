"""What a filter looks for: images made, or found, that raise its output, and deep dream."""

from helpers.explain.ascent.climbing import Settings
from helpers.explain.ascent.dream import Dream, deep_dreams, dream_objective, strongest_change
from helpers.explain.ascent.filters import (
    choose_depth,
    cut_model,
    filter_outputs,
    filter_responses,
    rank_images,
    receptive_field,
    rectified,
    silent_filters,
)
from helpers.explain.ascent.maximise import (
    DEFAULTS,
    Ascent,
    contrast,
    frequency_count,
    grey_noise,
    likeness,
    maximise_filters,
    steps_to_share,
)

__all__ = [
    "DEFAULTS",
    "Ascent",
    "Dream",
    "Settings",
    "choose_depth",
    "contrast",
    "cut_model",
    "deep_dreams",
    "dream_objective",
    "filter_outputs",
    "filter_responses",
    "frequency_count",
    "grey_noise",
    "likeness",
    "maximise_filters",
    "rank_images",
    "receptive_field",
    "rectified",
    "silent_filters",
    "steps_to_share",
    "strongest_change",
]
