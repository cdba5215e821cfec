"""Why a finding is left alone: a code, a name and a sentence each."""

from __future__ import annotations

REFUSALS = {
    "FG901": "several-candidates",
    "FG902": "gradient-is-cut",
    "FG903": "graph-is-reused",
    "FG904": "stated-otherwise",
    "FG905": "no-backward-pass",
    "FG906": "shared-with-data",
    "FG907": "autograd-is-off",
    "FG908": "unplaceable-edit",
    "FG909": "storage-conflict",
    "FG910": "unrepairable-use",
}

# Why no place was found for a grant.
PLACELESS = {
    "FG906": "the expression also makes tensors that are data, and no call tells them apart",
    "FG908": "no expression makes this tensor alone, so there is no place for the grant",
}
