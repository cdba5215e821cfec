"""Which imported names may be of torch: torch's own, and those that files of the project hand on."""

from __future__ import annotations

from collections.abc import Mapping

from fixgrad.flow.ir import Module
from fixgrad.flow.names import Find

_Name = tuple[str, str, str]  # the importing file, the module's name in it, the member or ""


class TorchNames:
    """Answers for the imports of a project's files, each name once."""

    def __init__(
        self, modules: Mapping[str, Module], find: Find, conversions: frozenset[str]
    ) -> None:
        self.modules = modules
        self.find = find
        self.handed = conversions | {"torch", "*"}
        self._known: dict[_Name, bool] = {}

    def of_torch(self, path: str, name: str, member: str) -> bool:
        """Say whether an import in a file may bring torch, or one of its conversions."""
        if name.partition(".")[0] == "torch":
            return True
        if member not in self.handed:
            return False
        key = path, name, member
        if key not in self._known:
            self._known[key] = False  # what comes back to itself brings nothing
            self._known[key] = self._handed_on(path, name, member)
        return self._known[key]

    def _handed_on(self, path: str, name: str, member: str) -> bool:
        file = self.find(path, name)
        if file is None:
            return False
        module = self.modules.get(file)
        if module is None:
            return True  # it is not known what stands in it
        if any(f.name == member for f in module.functions[1:]):
            return False  # the project's own, and what it does is known by itself
        sources = [entry for entry in module.imports if member in (entry[0], "*")]
        if sources and member != "*":
            return any(self._brings(file, *entry[1:]) for entry in sources)
        # By a star, or assigned in there: `Tensor = torch.Tensor`.
        return any(self._brings(file, *entry[1:]) for entry in module.imports)

    def _brings(self, file: str, name: str, member: str) -> bool:
        return name.partition(".")[0] == "torch" or self.of_torch(file, name, member)
