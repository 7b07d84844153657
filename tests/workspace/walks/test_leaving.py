"""Somebody leaves a page at the moment at which it would go elsewhere by itself."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Route
from workspace.walk import Walk


def test_who_leaves_a_page_is_not_taken_back_to_it(walk: Callable[[], Walk]) -> None:
    """The page of a new data set loads itself again when its index is there; a link's page may be slow to answer."""
    at = walk()
    at.go("/datasets/new?kind=triangles")
    at.fill(name="triangles", count=60)
    held: dict[str, Route] = {}
    at.page.route("**/datasets/index/**", lambda route: held.setdefault("index", route))
    at.page.route("**/runs", lambda route: held.setdefault("runs", route))
    at.press("Build")
    at.arrive("/datasets/view/datasets/triangles**")
    at.wait_for(lambda: "index" in held)

    asked: list[str] = []
    at.page.on("request", lambda request: asked.append(request.url) if request.is_navigation_request() else None)
    at.page.get_by_role("link", name="Trainings", exact=True).click(no_wait_after=True)
    at.wait_for(lambda: "runs" in held)
    with at.page.expect_response("**/datasets/index/**"):
        held["index"].continue_()
    at.page.wait_for_timeout(2000)  # the page hears that the index is there
    assert asked == [at.server.url + "/runs"]
    held["runs"].continue_()
    at.arrive("/runs")
    at.check()
