"""The wheel and the sdist: everything that runs is in them, nothing else, and one version."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import topklm

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both, as a release does, with the build backend that is installed."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return out


def tracked(*under: str) -> set[str]:
    """The files of the repository, as git knows them, or the package's own where there is no git."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *under],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if (ROOT / line).is_file()}


def test_the_wheel_holds_the_package_whole(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"topklm-{topklm.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith("topklm-")}
        metadata = archive.read(f"topklm-{topklm.__version__}.dist-info/METADATA").decode()
        assert f"topklm-{topklm.__version__}.dist-info/licenses/LICENSE" in archive.namelist()
    assert names == {name.removeprefix("src/") for name in tracked("src")}
    assert any(name.endswith(".min.js") for name in names)
    assert f"Version: {topklm.__version__}" in metadata


def test_the_sdist_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt"} <= {
        path.name for path in root.iterdir()
    }
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (first,), (second,) = built.glob("*.whl"), (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        assert {info.filename: info.CRC for info in one.infolist()} == {
            info.filename: info.CRC for info in other.infolist()
        }


def test_the_version_stands_in_one_place() -> None:
    places = [
        name
        for name in tracked("src", "pyproject.toml", "docs/conf.py")
        if not name.startswith("src/topklm/demo/")  # says which version made it
        if f'"{topklm.__version__}"' in (ROOT / name).read_text(encoding="utf-8", errors="replace")
    ]
    assert places == ["src/topklm/__init__.py"]
