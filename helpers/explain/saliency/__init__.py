"""Saliency maps: which pixels a class logit depends on. A file a family of methods; each method registers itself.

A function of model, images (N, H, W, C) in 0..255 and classes (N,) gives maps (N, H, W) float32. A file that is put
into this folder is imported with the room, and its methods stand after those named here.
"""
# ruff: noqa: I001  # in the order in which reports list the methods

from importlib import import_module
from pkgutil import iter_modules

from helpers.explain.saliency.gradients import gradient, gradient_times_input, smooth_gradient
from helpers.explain.saliency.integrated import integrated_gradients
from helpers.explain.saliency.guided import guided_backpropagation
from helpers.explain.saliency.grad_cam import grad_cam, grad_cam_plus_plus, last_feature_layer
from helpers.explain.saliency.occlusion import occlusion
from helpers.explain.saliency.rise import random_masks, rise
from helpers.explain.saliency.lime import lime
from helpers.networks.logits import all_probabilities, class_logits  # what the maps explain
from helpers.explain.registry import METHODS, Settings, explain_by

__all__ = [
    "METHODS",
    "Settings",
    "all_probabilities",
    "class_logits",
    "explain_by",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "gradient_times_input",
    "guided_backpropagation",
    "integrated_gradients",
    "last_feature_layer",
    "lime",
    "occlusion",
    "random_masks",
    "rise",
    "smooth_gradient",
]


def discover() -> None:
    """Import every file of this folder, so that its methods are registered."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


discover()
