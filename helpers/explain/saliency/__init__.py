"""Saliency maps: which pixels a class logit depends on. A file a family of methods; each method registers itself.

A function of model, images (N, H, W, C) in 0..255 and classes, (N,) int or one for all, gives maps (N, H, W) float32;
it raises ValueError on a class that the model does not have. A file that is put into this folder is imported with the
room, and its methods stand after those named here.
"""
# ruff: noqa: I001  # in the order in which reports list the methods

from importlib import import_module
from pkgutil import iter_modules

from helpers.explain.saliency.gradients import gradient as gradient
from helpers.explain.saliency.gradients import gradient_times_input as gradient_times_input
from helpers.explain.saliency.gradients import smooth_gradient as smooth_gradient
from helpers.explain.saliency.integrated import integrated_gradients as integrated_gradients
from helpers.explain.saliency.expected import expected_gradients as expected_gradients
from helpers.explain.saliency.guided import guided_backpropagation as guided_backpropagation
from helpers.explain.saliency.grad_cam import grad_cam as grad_cam
from helpers.explain.saliency.grad_cam import grad_cam_plus_plus as grad_cam_plus_plus
from helpers.explain.saliency.grad_cam import last_feature_layer as last_feature_layer
from helpers.explain.saliency.occlusion import occlusion as occlusion
from helpers.explain.saliency.rise import random_masks as random_masks
from helpers.explain.saliency.rise import rise as rise
from helpers.explain.saliency.lime import lime as lime
from helpers.explain.maps import mean_map_by_class as mean_map_by_class
from helpers.explain.maps import top_fraction_mask as top_fraction_mask
from helpers.networks.logits import all_probabilities as all_probabilities
from helpers.networks.logits import class_logits as class_logits
from helpers.explain.registry import METHODS as METHODS
from helpers.explain.registry import Settings as Settings
from helpers.explain.registry import choose as choose
from helpers.explain.registry import explain_by as explain_by
from helpers.explain.registry import explain_graded as explain_graded
from helpers.explain.registry import refusals as refusals
from helpers.explain.substrates import substrate as substrate


def discover() -> None:
    """Import every file of this folder, so that its methods are registered."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


discover()
