"""What watching a training loop costs, and that it changes nothing.

    python bench/probe.py [PAIRS]

A small network is trained on batches made of NumPy arrays, in a process with the probe and one without it, in turn.
Each process times its steps; of each the fastest tenth ends at the time that counts, as other work on the machine only
ever adds. What is printed is the ratio of each pair; the losses of both are compared bit for bit.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fixgrad.runtime.launch import equip

PAIRS = 9
PROGRAM = """
import hashlib, json, time
import numpy as np
import torch

torch.set_num_threads(1)
torch.manual_seed(1)
rng = np.random.default_rng(1)
net = torch.nn.Sequential(
    torch.nn.Linear(10, 32), torch.nn.ReLU(), torch.nn.Linear(32, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
)
shift = torch.tensor(np.zeros(10, dtype=np.float32), requires_grad=True)
optimizer = torch.optim.SGD([*net.parameters(), shift], lr=0.01)
inputs = rng.standard_normal((64, 32, 10)).astype(np.float32)
targets = inputs.sum(2, keepdims=True)
losses, times = hashlib.sha256(), []
for step in range(4000):
    started = time.perf_counter_ns()
    x = torch.from_numpy(inputs[step % 64])
    y = torch.from_numpy(targets[step % 64])
    optimizer.zero_grad()
    loss = ((net(x + shift) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    losses.update(str(loss.item().hex()).encode())
    norm = shift.grad.norm()
    times.append(time.perf_counter_ns() - started)
times.sort()
print(json.dumps({"step": times[len(times) // 10] / 1000, "losses": losses.hexdigest()}))
"""


def trained(folder: Path, *, watched: bool) -> dict[str, Any]:
    """Run the program once."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if watched:
        with tempfile.TemporaryDirectory() as equipment:
            environment |= equip(equipment, {"roots": [str(folder)], "seed": None})
            return _run(folder, environment)
    return _run(folder, environment)


def _run(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "train.py"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    pairs = int(arguments[0]) if arguments else PAIRS
    rows: list[tuple[float, float]] = []
    same = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.py").write_text(PROGRAM)
        for turn in range(pairs):
            order = (False, True) if turn % 2 else (True, False)
            found = {watched: trained(folder, watched=watched) for watched in order}
            same &= found[False]["losses"] == found[True]["losses"]
            rows.append((found[False]["step"], found[True]["step"]))
    ratios = [watched / bare for bare, watched in rows]
    print(f"{'':10} {'median':>10} {'least':>10}")
    for name, times in (("bare", [r[0] for r in rows]), ("watched", [r[1] for r in rows])):
        print(f"{name:10} {statistics.median(times):7.0f} us {min(times):7.0f} us")
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"ratio: median {statistics.median(ratios):.3f} of {pairs} pairs, {spread}")
    print(f"losses: {'the same, bit for bit' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main(sys.argv[1:])
