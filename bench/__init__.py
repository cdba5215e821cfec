"""Measurements of fixgrad that need more than a test run has: other people's code, or time."""
