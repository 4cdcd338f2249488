from helpers.explain import activations as activations
from helpers.explain import ascent as ascent
from helpers.explain import maps as maps
from helpers.explain import saliency as saliency
from helpers.explain import superpixels as superpixels
from helpers.grade import confusion as confusion
from helpers.grade import faithfulness as faithfulness
from helpers.grade import grading as grading
from helpers.grade import lime_study as lime_study
from helpers.grade import regions as regions
from helpers.grade import scorecard as scorecard
from helpers.networks import architectures as architectures
from helpers.report import plots as plots
from helpers.report.words import sentences as words  # noqa: F401
from helpers.run import open_run as open_run
