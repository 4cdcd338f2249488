"""What is stale, running notebooks, the report as a whole, explaining pictures, and the packing of networks."""

__all__ = ["execute", "explain", "many", "report", "runs", "shipping"]
