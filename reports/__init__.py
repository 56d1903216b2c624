"""From journal to verdict to report: what a run decided, and its renderings.

The report is computed from the plan, so whatever was planned and not judged stays visible.
"""
