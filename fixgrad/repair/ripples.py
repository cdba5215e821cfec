"""The hazards that a plan may bring about: what it tracks is used in a way that breaks, and is mended or refused."""

from __future__ import annotations

from fixgrad.hazards import (
    barred_call,
    gradient_truth,
    in_place_update,
    late_grant,
    mixed_arithmetic,
    numpy_export,
    out_argument,
    outpaced_copy,
    rewrapped_root,
    shallow_copy,
)

RIPPLES = (
    in_place_update,
    numpy_export,
    mixed_arithmetic,
    late_grant,
    gradient_truth,
    out_argument,
    shallow_copy,
    outpaced_copy,
    barred_call,
    rewrapped_root,
)
