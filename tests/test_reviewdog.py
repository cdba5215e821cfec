"""reviewdog itself takes the reports: what it shows of a change, and the review that it posts to GitHub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.explained import HEAD
from tests.notebooks import jupyter
from tests.reports import contents, repaired

pytestmark = pytest.mark.skipif(
    shutil.which("reviewdog") is None,
    reason="reviewdog is not on the PATH; it is a program in Go, at github.com/reviewdog/reviewdog",
)
OLD = f"{HEAD}o = torch.from_numpy(np.ones(2))\no.sum().backward()\nprint(o.grad)\n"
NEW = f"{HEAD}s = 'größe'; x = torch.from_numpy(np.ones(2))\n(x * x).sum().backward()\nprint(x.grad)\n"
NOTEBOOK = jupyter(HEAD, "w = torch.from_numpy(np.ones(2))\nw.sum().backward()\nprint(w.grad)")


def git(*words: str) -> bytes:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.hooksPath=/dev/null")
    return subprocess.run(["git", *identity, *words], check=True, capture_output=True).stdout


@pytest.fixture(autouse=True)
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commit a finding, and on a branch two more, one of them in a notebook."""
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    git("init", "-qb", "main")
    Path("src/old.py").write_text(OLD)
    git("add", "-A")
    git("commit", "-qm", "old")
    git("checkout", "-qb", "topic")
    Path("src/new.py").write_text(NEW, "utf-8")
    Path("src/new.ipynb").write_bytes(NOTEBOOK)
    git("add", "-A")
    git("commit", "-qm", "new")
    return tmp_path


def reviewed(form: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Hand a report to reviewdog, as the example of a workflow does."""
    command = (sys.executable, "-m", "fixgrad", "--output-format", form, "--exit-zero", ".")
    root = str(Path(__file__).parents[1])
    report = subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": root}
    ).stdout
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        ["reviewdog", f"-f={form}", "-name=fixgrad", *options], input=report.decode(),
        capture_output=True, text=True, check=False, env={**plain, **env}, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["rdjson", "rdjsonl", "sarif"])
def test_what_is_on_the_lines_of_a_change(form: str) -> None:
    ran = reviewed(form, "-reporter=rdjson", "-diff=git diff main", "-fail-level=any")
    assert ran.returncode == 1, ran.stderr
    found = json.loads(ran.stdout)["diagnostics"]
    assert [(d["location"]["path"], d["code"]["value"]) for d in found] == [
        ("src/new.ipynb", "FG101"), ("src/new.py", "FG101")
    ]  # fmt: skip
    assert reviewed(form, "-diff=git diff topic", "-fail-level=any").returncode == 0


class GitHub(BaseHTTPRequestHandler):
    """As much of GitHub as a review of a pull request takes."""

    posted: list[Any]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if not self.path.endswith("/pulls/1"):
            self.answer(b"[]" if "/pulls/1/" in self.path else b"{}")
        elif "diff" in self.headers["Accept"]:
            self.answer(git("diff", "main...topic"))
        else:
            self.answer(b'{"number": 1, "state": "open"}')

    def do_POST(self) -> None:
        self.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(b'{"id": 1}')

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def github() -> Iterator[tuple[str, list[Any]]]:
    """Return the address of a GitHub on this machine, and what is posted to it."""
    posted: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (GitHub,), {"posted": posted}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_review_suggests_whole_repairs_to_click(
    github: tuple[str, list[Any]], change: Path
) -> None:
    address, posted = github
    ran = reviewed(
        "rdjsonl", "-reporter=github-pr-review", GITHUB_API=address, CI_PULL_REQUEST="1",
        REVIEWDOG_GITHUB_API_TOKEN="none", CI_REPO_OWNER="o", CI_REPO_NAME="r",
        CI_COMMIT=git("rev-parse", "topic").decode().strip(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (review,) = posted
    before, after = contents(change), {}
    for comment in review["comments"]:
        suggested = comment["body"].split("```suggestion\n")[1].split("\n```")[0]
        lines = before[comment["path"]].split("\n")
        lines[comment.get("start_line", comment["line"]) - 1 : comment["line"]] = [suggested]
        after[comment["path"]] = "\n".join(lines)
    whole = repaired(change)
    assert after == {path: whole[path] for path in ("src/new.py", "src/new.ipynb")}
