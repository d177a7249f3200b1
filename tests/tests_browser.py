"""A real browser for tests, and what it has to say of a page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
#: Without these it would look for updates, and needs rights that containers lack.
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu")


@contextmanager
def running_browser() -> Iterator[Any]:
    """Give Debian's Chromium, or skip the test."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright has no build for this Python"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")

    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS)
        )
        try:
            yield browser
        finally:
            browser.close()


def until(check: Callable[[], bool]) -> None:
    """Wait until a check holds. A page's policy lets no test wait inside of it."""
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, "it has not come to be"
        time.sleep(0.01)


class Viewer:
    """Open pages, and remember all that went wrong there.

    Attributes:
        complaints: what was written to the console, raised or shown in a dialog.
        requests: the addresses that were asked for.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._contexts: list[Any] = []

    def open(self, path: Path, *, address: str = "", **options: Any) -> Any:
        """Return the opened page of a file."""
        page = self.blank(**options)
        page.goto(f"{path.as_uri()}{address}")
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    def blank(self, **options: Any) -> Any:
        """Return an empty page that is watched."""
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        self._contexts.append(self._browser.new_context(**options))
        page = self._contexts[-1].new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    def close(self) -> None:
        """Close all pages, where the browser goes on."""
        for context in self._contexts:
            context.close()

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
