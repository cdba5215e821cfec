"""Repairs decided on one by one: `session` offers them, `decisions` keeps what was decided in a file."""
