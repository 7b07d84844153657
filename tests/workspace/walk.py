"""A walk through the pages of a real server by a real browser, which says of each page what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright
from workspace.server import Server

PATIENCE = 240_000
"""Milliseconds until a job of a walk must be over, on a machine that has much else to do."""


class Walk:
    """A tab. ``errors`` are those of its console; ``check`` looks at the page with axe-core."""

    def __init__(self, server: Server, page: Any, folder: Path) -> None:
        self.server, self.page, self.folder = server, page, folder
        self.errors: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE)

    def go(self, address: str) -> None:
        """Open an address of the server, which must answer with a page."""
        answer = self.page.goto(self.server.url + address)
        assert answer.ok, (answer.status, self.page.inner_text("main"))

    def click(self, name: str, role: str = "link") -> None:
        """Click on a link, or on a button, by what it says.

        The page that it leads to may not be there yet: wait for its address (`arrive`), or where that is the same for
        what it alone has, before anything is read or filled.
        """
        self.page.get_by_role(role, name=name, exact=True).first.click()

    def press(self, name: str) -> None:
        """Press a button; see `click`."""
        self.click(name, "button")

    def fill(self, **fields: object) -> None:
        """Fill fields, and choose what is to be chosen."""
        for name, value in fields.items():
            field = self.page.locator(f"[name={name}]:not([type=hidden])").first
            field.wait_for(state="attached")
            folded = field.locator("xpath=ancestor::details[not(@open)]")
            if folded.count():
                folded.first.locator("summary").click()
            if field.evaluate("each => each.tagName") == "SELECT":
                field.select_option(str(value))
            elif isinstance(value, bool):
                field.set_checked(value)
            else:
                field.fill(str(value))

    def arrive(self, pattern: str) -> None:
        """Wait until the browser is at an address, to which the page of a job goes by itself."""
        self.page.wait_for_url(self.server.url + pattern, timeout=PATIENCE)

    def arrive_at_dataset(self, name: str) -> None:
        """Wait until the browser is at a data set's page, which loads itself again once it has an index."""
        self.arrive(f"/datasets/view/datasets/{name}**")
        self.page.locator(".index").wait_for(state="detached")

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds in the test, which the browser's events bring about."""
        end = time.monotonic() + PATIENCE / 1000
        while not holds():
            assert time.monotonic() < end
            self.page.wait_for_timeout(20)

    def check(self) -> None:
        """Require that the page says no error, is no wider than the window, and has no serious fault for axe-core.

        Of the dark theme only the contrasts are looked at again: all else is that of the light one.
        A page that loads itself again meanwhile, since what it shows has changed, is looked at once more.
        """
        for attempt in range(4):
            try:
                self._check()
            except playwright.Error as error:
                if "navigation" not in str(error) or attempt == 3:
                    raise
                self.page.wait_for_timeout(1000)
            else:
                return

    def _check(self) -> None:
        from axe_playwright_python.sync_playwright import Axe

        page = self.page
        page.wait_for_load_state("load")
        broken = "[...document.images].filter(each => each.complete && !each.naturalWidth).map(each => each.src)"
        assert page.evaluate(broken) == []
        assert self.errors == []
        for width in (1200, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (page.url, width)
        themes: dict[str, dict[str, Any]] = {"dark": {"runOnly": ["color-contrast"]}, "light": {}}
        for theme, rules in themes.items():
            page.emulate_media(color_scheme=theme)
            found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
            serious = [
                (each["id"], theme, [node["html"][:200] for node in each["nodes"]][:3])
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert not serious, (page.url, serious)
        page.set_viewport_size({"width": 1200, "height": 800})
