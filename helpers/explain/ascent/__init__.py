"""What a filter looks for: images made, or found, that raise its output, and deep dream."""

from helpers.explain.ascent.climbing import Settings as Settings
from helpers.explain.ascent.dream import Dream as Dream
from helpers.explain.ascent.dream import deep_dreams as deep_dreams
from helpers.explain.ascent.dream import dream_objective as dream_objective
from helpers.explain.ascent.dream import strongest_change as strongest_change
from helpers.explain.ascent.filters import choose_depth as choose_depth
from helpers.explain.ascent.filters import cut_model as cut_model
from helpers.explain.ascent.filters import filter_maps as filter_maps
from helpers.explain.ascent.filters import filter_outputs as filter_outputs
from helpers.explain.ascent.filters import filter_responses as filter_responses
from helpers.explain.ascent.filters import rank_images as rank_images
from helpers.explain.ascent.filters import receptive_field as receptive_field
from helpers.explain.ascent.filters import rectified as rectified
from helpers.explain.ascent.filters import silent_filters as silent_filters
from helpers.explain.ascent.filters import usual_depth as usual_depth
from helpers.explain.ascent.maximise import DEFAULTS as DEFAULTS
from helpers.explain.ascent.maximise import Ascent as Ascent
from helpers.explain.ascent.maximise import contrast as contrast
from helpers.explain.ascent.maximise import grey_noise as grey_noise
from helpers.explain.ascent.maximise import maximise_filters as maximise_filters
from helpers.explain.ascent.maximise import texture as texture
