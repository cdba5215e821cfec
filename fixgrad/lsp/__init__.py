"""The language server: `desk` looks at a text in an editor, `wire` says it in the protocol's terms, `server` talks.

Only here is pygls known; it comes with the extra `lsp`.
"""
