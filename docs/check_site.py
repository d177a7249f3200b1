"""Check the built site: its links, where it loads from, its index for searches.

    python docs/check_site.py site

The site is read, not served, and nothing is asked of any network. What is wrong is
printed, one line each, and then the exit code is 1.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a page loads when it is opened, by the attributes that say so.
LOADS = {"src", "srcset", "data", "poster", "background"}

#: Kinds of `<link>` that only name an address.
NAMES_ONLY = {"canonical", "alternate", "author", "license", "next", "prev"}

#: Fewer entries would mean that the text of the pages is not in the index.
ENTRIES_PER_PAGE = 2


@dataclass
class Page:
    """Hold what one page says of itself and of others."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    drawn_by_script: bool = False


class Reader(HTMLParser):
    """Read a page into a `Page`."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.in_style = False

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        """Note the anchors, links and files of an element."""
        given = {name: value or "" for name, value in attributes}
        page = self.page
        self.in_style = tag == "style"
        page.anchors.update(given[key] for key in ("id", "name") if key in given)
        page.styles.append(given.get("style", ""))
        page.drawn_by_script |= "mermaid" in given.get("class", "").split()
        if tag == "a" and "href" in given:
            page.links.append(given["href"])
        elif tag == "link" and not NAMES_ONLY & set(given.get("rel", "").split()):
            page.loads.append(given.get("href", ""))
        for key in LOADS & given.keys():
            # Of a srcset, the addresses without the widths.
            parts = given[key].split(",") if key == "srcset" else [given[key]]
            page.loads.extend(part.split()[0] for part in parts if part.strip())

    def handle_endtag(self, tag: str) -> None:
        """Leave a style sheet."""
        self.in_style = False

    def handle_data(self, data: str) -> None:
        """Keep the text of a style sheet."""
        if self.in_style:
            self.page.styles.append(data)


def read_pages(site: Path) -> dict[str, Page]:
    """Return all pages, by path within the site."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        reader = Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        reader.close()
        pages[path.relative_to(site).as_posix()] = reader.page
    return pages


def target_of(page: str, address: str) -> tuple[str, str] | None:
    """Return path and anchor within the site, or None if it is elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None

    path = unquote(parts.path)
    if not path:
        return page, unquote(parts.fragment)

    full = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if path.endswith("/"):
        full = posixpath.normpath(f"{full}/index.html")
    return full.removeprefix("/"), unquote(parts.fragment)


def wrong_links(site: Path, pages: dict[str, Page]) -> list[str]:
    """Return links and files within the site that lead nowhere."""
    found = []
    for name, page in pages.items():
        for address in dict.fromkeys([*page.links, *page.loads]):
            target = target_of(name, address)
            if target is None:
                continue

            path, anchor = target
            # A directory is shown by its index.
            if (site / path).is_dir():
                path = posixpath.normpath(f"{path}/index.html")
            if path.startswith("../") or not (site / path).is_file():
                found.append(f"{name}: {address} is no file of the site")
            elif anchor and path in pages and anchor not in pages[path].anchors:
                found.append(f"{name}: {address} has no such anchor")
    return found


def loads_from_elsewhere(site: Path, pages: dict[str, Page]) -> list[str]:
    """Return what would not be there without a network."""
    found = [
        f"{name}: loads {address}"
        for name, page in pages.items()
        for address in page.loads
        if is_elsewhere(address)
    ]
    sheets = [(name, "\n".join(page.styles)) for name, page in pages.items()]
    sheets += [
        (path.relative_to(site).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.css"))
    ]
    for name, text in sheets:
        for address in re.findall(
            r"""(?:@import\s+(?:url\()?|url\()\s*["']?([^"')\s;]+)""",
            text,
            re.IGNORECASE,
        ):
            if is_elsewhere(address):
                found.append(f"{name}: its style loads {address}")
    found += [
        f"{name}: has a Mermaid diagram, whose script comes from another host"
        for name, page in pages.items()
        if page.drawn_by_script
    ]
    return found


def is_elsewhere(address: str) -> bool:
    """Return whether an address has a host."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def wrong_index(site: Path, pages: dict[str, Page]) -> list[str]:
    """Return what is wrong with what searches look into."""
    path = site / "search.json"
    if not path.is_file():
        return ["search.json is missing"]

    places = [item["location"] for item in json.loads(path.read_text("utf-8"))["items"]]
    found = []
    if len(places) < ENTRIES_PER_PAGE * len(pages):
        found.append(f"search.json has {len(places)} entries of {len(pages)} pages")
    for place in places:
        target = target_of("", place or "index.html")
        if target is None or target[0] not in pages:
            found.append(f"search.json: there is no page {place}")
        elif target[1] and target[1] not in pages[target[0]].anchors:
            found.append(f"search.json: there is no anchor {place}")
    return found


def unreachable(pages: dict[str, Page]) -> list[str]:
    """Return pages to which no other page links."""
    linked = {
        target[0]
        for name, page in pages.items()
        for address in page.links
        if (target := target_of(name, address)) is not None and target[0] != name
    }
    return [
        f"{name}: no page links to it"
        for name in pages
        if name not in linked and name not in ("404.html", "index.html")
    ]


def problems_of(site: Path) -> list[str]:
    """Return all that is wrong with a built site, one line each."""
    pages = read_pages(site)
    if not pages:
        return [f"{site}: there are no pages"]

    return [
        *wrong_links(site, pages),
        *loads_from_elsewhere(site, pages),
        *wrong_index(site, pages),
        *unreachable(pages),
    ]


def main(arguments: list[str]) -> int:
    """Check the site in the directory named, and print what is wrong."""
    site = Path(arguments[0] if arguments else "site")
    problems = problems_of(site)
    for problem in problems:
        print(problem)
    print(f"{len(read_pages(site))} pages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
