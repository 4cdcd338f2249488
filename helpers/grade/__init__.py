"""What predictions and explanations are worth: confusion and accuracy, insertion and deletion, randomisation, evidence.

May import `base`, `networks` and `explain`.
"""

__all__ = ["calibration", "confusion", "faithfulness", "grading", "insertion", "lime_study", "regions", "scorecard"]
