"""A small project to explain, and the run over it that the answers and charts are taken from."""

from __future__ import annotations

from pathlib import Path

from fixgrad import project
from fixgrad.explain.run import Run, follow

MODEL = """\
import torch


class Trainer:
    def __init__(self, weights, lr):
        self.weights = weights
        self.optimizer = torch.optim.SGD([self.weights], lr=lr)

    def step(self, batch, target):
        loss = torch.nn.functional.mse_loss(batch @ self.weights, target)
        loss.backward()
        self.optimizer.step()
        return loss.item()
"""
MAIN = """\
import numpy as np
import torch
from model import Trainer


def as_tensor(values):
    return torch.from_numpy(values).float()


start = torch.from_numpy(np.zeros(2))
trainer = Trainer(start.float(), 0.1)
batch = as_tensor(np.ones((3, 2)))
target = as_tensor(np.ones(3))
print(trainer.step(batch, target))
"""

HEAD = "import numpy as np\nimport torch\n"
FILES = {"main.py": MAIN, "model.py": MODEL}


def run_on(folder: Path, files: dict[str, str] | None = None) -> Run:
    """Write the files and follow the folder."""
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    sources, problems = project.read_all(project.find_files((str(folder),)))
    assert problems == []
    return follow(sources)


def line_of(run: Run, name: str, part: str) -> tuple[str, int]:
    """Return the file of a name and the line that holds a part."""
    path = next(path for path in run.sources if path.endswith(name))
    lines = run.sources[path].lines()
    return path, next(n for n, line in enumerate(lines, 1) if part in line)
