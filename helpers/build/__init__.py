"""What is stale, running notebooks, the report as a whole, and the packing of networks.

May import every room but `bench`.
"""

__all__ = ["many", "plan", "report", "runs", "shipping"]
