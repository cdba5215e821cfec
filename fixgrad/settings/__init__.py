"""What a user sets once for a project: `[tool.fixgrad]` of pyproject.toml, or a fixgrad.toml.

`table` says which settings there are, `files` finds and reads the file, `check` knows what may stand in it,
`resolve` puts file and command line together, `show` says what came of it.
"""
