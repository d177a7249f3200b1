"""The examples of docs/files.md, and the files in examples/."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from syncra import Graph

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("language", ["yaml", "toml"])
def test_the_shop_of_the_page(tmp_path: Path, monkeypatch, language: str) -> None:
    if language == "yaml":
        pytest.importorskip("yaml", reason="PyYAML has no build for this Python")
    (tmp_path / "shop.py").write_text(block("py"), encoding="utf-8")
    (tmp_path / "rows.txt").write_text("1 2 3", encoding="utf-8")
    file = tmp_path / f"anything.{language}"
    file.write_text(block(language), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        graph = Graph.from_file(file, allow="shop")
        assert graph.name == "shop"
        assert graph["publish"].options.retry.on[1] is sys.modules["shop"].Busy
        assert graph.inputs["title"].description == "What is printed before the sum."
        run = graph(path=tmp_path / "rows.txt")
        assert run["publish"] == "Sum: 12 from rows.txt"
    finally:
        sys.modules.pop("shop", None)


def test_every_key_is_on_the_page() -> None:
    from syncra._files.schema import the_schema

    schema = the_schema()
    keys = {*schema["properties"], *schema["$defs"]["task"]["properties"]}
    keys |= set(schema["$defs"]["type"]["enum"])
    keys |= set(schema["$defs"]["retry"]["anyOf"][1]["properties"])
    assert not {key for key in keys if f"`{key}`" not in PAGE}


def test_the_files_in_examples(tmp_path: Path) -> None:
    graph = Graph.from_file(ROOT / "examples" / "flow.json", allow_commands=True)
    text = tmp_path / "some text.txt"
    text.write_text("A tea, a cup;\na TEA.\nThe end\n", encoding="utf-8")
    report = graph(path=text, most=2)["report"].stdout
    first, *rows = report.splitlines()
    assert first == "8 words in 3 lines. Most often:"
    assert [row.split() for row in rows] == [["3", "a"], ["2", "tea"]]
    pytest.importorskip("yaml", reason="PyYAML has no build for this Python")
    same = Graph.from_file(ROOT / "examples" / "flow.yaml", allow_commands=True)
    assert same.to_dict() == graph.to_dict()
