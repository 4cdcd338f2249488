"""A network of the user's own: found, opened, brought into the form that everything else expects, and proved.

May import `base`, and of `networks` architectures, layers and logits. A network in that form takes raw pixels and gives
logits; it is a flat graph of float32 layers with channels last, whose activations are layers of their own.
"""
