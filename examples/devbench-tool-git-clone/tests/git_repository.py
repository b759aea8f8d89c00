"""A repository of this machine: no test needs the network."""

import os
import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main")
NO_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
TIMEOUT_S = 30


class Repository:
    """A git repository in a folder, with nothing committed yet."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.git("init", "-q")

    @property
    def url(self) -> str:
        """Its address."""
        return f"file://{self.folder}"

    def git(self, *words: str) -> str:
        """Run git in it; return what it says."""
        done = subprocess.run(
            ["git", *WHO, *words],
            cwd=self.folder,
            env={**os.environ, **NO_CONFIGURATION},
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        """Commit a file ``text`` that holds it; return the commit."""
        (self.folder / "text").write_text(text)
        self.git("add", "text")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")
