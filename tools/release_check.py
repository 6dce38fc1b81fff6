"""Build wheel and sdist, install each in an empty environment, and use what was installed.

    python tools/release_check.py [--keep DIR]

Nothing of this checkout is on the path of what is tried: a file that the packages lack is found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
TUNE = ("tune", "film.mkv", "--encoder", "libx264", "--preset", "ultrafast", "--target", "85")
_TUNES = re.compile(r"^.*(?:TuneRequest|vqcast\.(?:tune|encode)\()", re.M)
"""The first line of the README that needs the extra."""
_DRAW = """
import subprocess
from vqcast.media.tool import find_ffmpeg
graph = "testsrc2=s=320x240:r=24,noise=alls=6:allf=t"
words = f"-v error -f lavfi -i {graph} -t 2 -c:v ffv1 -pix_fmt yuv420p film.mkv"
subprocess.run([find_ffmpeg().path, *words.split()], check=True)
"""


def readme_lines() -> list[str]:
    """The README's Python blocks."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


class Environment:
    """An empty virtual environment, and a folder to work in that holds no code."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.work = folder / "work"
        self.work.mkdir()
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        } | {"XDG_CACHE_HOME": str(folder / "cache")}

    def run(self, *words: object, code: int = 0) -> str:
        """What a command of the environment prints; ends the check at another exit code."""
        command = [str(self.bin / str(words[0])), *map(str, words[1:])]
        done = subprocess.run(
            command, cwd=self.work, env=self.variables, capture_output=True, text=True
        )
        if done.returncode != code:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def install(self, package: Path, extras: str = "") -> None:
        """Install a wheel or an sdist and what it needs, at the versions that CI runs."""
        self.run("python", "-m", "pip", "install", "-q", "-c", CONSTRAINTS, f"{package}{extras}")


def without_extras(env: Environment) -> None:
    """Predicting and verifying, and a refusal that names the extra."""
    env.run("vqcast", "--version")
    packaged = env.run(
        "python", "-c", "from vqcast.serve.folder import packaged_registry as p; print(p())"
    ).strip()
    if str(env.bin.parent) not in packaged:
        sys.exit(f"the registry is that of {packaged}, not the installed one")
    env.run("vqcast", "registry", "verify", packaged)
    env.run("python", "-c", _TUNES.split(readme_lines()[0])[0])
    refused = env.run("vqcast", *TUNE, code=2)
    if "pip install 'vqcast[media]'" not in refused:
        sys.exit(f"tune without the extra says: {refused}")


def with_media(env: Environment) -> None:
    """Tuning a clip that ffmpeg draws, and the README's lines as they stand."""
    env.run("python", "-c", _DRAW)
    print(env.run("vqcast", *TUNE).strip())
    for block in readme_lines():
        print(env.run("python", "-c", block).strip())


def main() -> None:
    """Build, install, use; exit 0 where all of it works."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="Leave the packages in this folder.")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        dist = folder / "dist"
        subprocess.run([sys.executable, "-m", "build", "-o", dist, ROOT], check=True)
        for package in sorted(dist.iterdir()):
            env = Environment(folder / package.name.replace(".", "_"))
            env.install(package)
            without_extras(env)
            env.install(package, "[media]")
            with_media(env)
            print(f"{package.name}: {package.stat().st_size:,} bytes, installed and used")
        if keep:
            shutil.copytree(dist, keep, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
