"""What is stale, running notebooks, the report as a whole, explaining pictures, and the packing of networks.

May import every room but `bench`.
"""

__all__ = ["explain", "many", "plan", "report", "runs", "shipping"]
