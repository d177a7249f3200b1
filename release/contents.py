"""Check what the files of a release have in them.

    python release/contents.py DIRECTORY [DIRECTORY]

The first directory has an sdist, and the wheel that was built from that. The second one
has the wheel that was built from the checkout, which has to be the same.
"""

from __future__ import annotations

import email
import hashlib
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What a plain install brings, and no more.
NEEDED = {"anyio", "typing-extensions"}
#: Beside the package, what an sdist has for those who build, test or change it.
SOURCES = {"benchmarks", "docs", "examples", "release", "syncra", "tests"}
SOURCE_FILES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"}
SOURCE_FILES |= {"mkdocs.yml", "noxfile.py", "pyproject.toml", "PKG-INFO", ".gitignore"}
#: What is easily forgotten, since it is no module.
DATA = (
    r"syncra/py\.typed",
    r"syncra/_files/graph\.schema\.json",
    r"syncra/views/templates/.*\.html\.jinja",
    r"syncra/views/templates/.*\.css",
    r"syncra/views/templates/.*\.js",
)


def main(first: str, second: str | None = None) -> None:
    """Check one directory, and whether another one has the same wheel."""
    (wheel,) = Path(first).glob("*.whl")
    (sdist,) = Path(first).glob("*.tar.gz")
    version = version_here()
    print(f"contents: {wheel.name}: {check_wheel(wheel, version)} files")
    print(f"contents: {sdist.name}: {check_sdist(sdist, version)} files")
    if second is not None:
        (other,) = Path(second).glob("*.whl")
        hashes = [hashlib.sha256(path.read_bytes()).digest() for path in (wheel, other)]
        assert hashes[0] == hashes[1], f"{wheel} and {other} differ"
        print("contents: the sdist builds the wheel that the checkout builds")


def version_here() -> str:
    """Return the version that the sources say."""
    text = (ROOT / "syncra" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found, "syncra/__init__.py says no version"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {found[1]} (" in changes, f"CHANGELOG.md has nothing on {found[1]}"
    return found[1]


def files_of_package() -> set[str]:
    """Return the files that the checkout has in the package, by their names there."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "syncra").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def check_wheel(path: Path, version: str) -> int:
    """Check a wheel; return how many files it has."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        about = f"syncra-{version}.dist-info"
        metadata = email.message_from_bytes(wheel.read(f"{about}/METADATA"))
        commands = wheel.read(f"{about}/entry_points.txt").decode()
        tag = wheel.read(f"{about}/WHEEL").decode()
    inside = {name for name in names if not name.startswith(f"{about}/")}
    expected = files_of_package()
    assert inside == expected, f"not as in the checkout: {sorted(inside ^ expected)}"
    for pattern in DATA:
        assert any(re.fullmatch(pattern, name) for name in inside), f"no {pattern}"
    assert not [name for name in inside if "test" in name.split("/")[1]]
    assert "Tag: py3-none-any" in tag
    assert "syncra = syncra.cli:main" in commands
    assert f"{about}/licenses/LICENSE" in names
    check_metadata(metadata, version)
    return len(names)


def check_metadata(metadata: email.message.Message, version: str) -> None:
    """Check what installers and an index read."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["Name"] == "syncra"
    assert metadata["Version"] == version
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == project["project"]["requires-python"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == set(project["project"]["optional-dependencies"])
    needs = metadata.get_all("Requires-Dist", [])
    plain = {name_of(need) for need in needs if "extra ==" not in need}
    assert plain == NEEDED, f"a plain install brings {plain}"
    by_extra: dict[str, set[str]] = {extra: set() for extra in extras}
    for need in needs:
        if extra := re.search(r"extra == ['\"]([\w-]+)['\"]", need):
            by_extra[extra[1]].add(name_of(need))
    everything = by_extra.pop("all")
    assert everything == set().union(*by_extra.values()), "`all` is not all extras"


def name_of(requirement: str) -> str:
    """Return the name of the distribution that a requirement is about."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return found[0].lower().replace("_", "-")


def check_sdist(path: Path, version: str) -> int:
    """Check an sdist; return how many files it has."""
    with tarfile.open(path) as sdist:
        members = sdist.getmembers()
    assert all(member.isfile() for member in members), "links, devices or folders"
    top = f"syncra-{version}/"
    assert all(member.name.startswith(top) for member in members)
    names = {member.name.removeprefix(top) for member in members}
    assert {name.split("/")[0] for name in names} == SOURCES | SOURCE_FILES
    assert files_of_package() <= names
    assert "tests/conftest.py" in names
    unwanted = re.compile(
        r"__pycache__|\.pyc$|\.sqlite$|\.log$|^benchmarks/results/(?!features\.json)"
    )
    assert not [name for name in names if unwanted.search(name)]
    return len(names)


if __name__ == "__main__":
    main(*sys.argv[1:])
