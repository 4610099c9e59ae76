"""The page of a picture in a real browser, and what tests ask of it."""

from pathlib import Path
from typing import Any

from otterize_pcap.render.html import render_html
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import Picture
from tests.browser import Browser

PATIENCE_MS = 20_000
# Waits in the page: a question every 20 ms from outside was a quarter of what a page takes.
SETTLED = """
    const settled = () => !document.querySelector("[aria-busy]")
      && (state.view !== "map" || presentPicture.boxes.length === 0
          || !document.getElementById("too-many").hidden || mapShown?.key === presentPicture.key);
    const end = performance.now() + arguments[0];
    return new Promise(function wait(done) {
      if (settled() || performance.now() > end) done(settled());
      else setTimeout(() => wait(done), 20);
    });
"""


class Page:
    """A page of calls, and what tests ask of it."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self._folder = folder
        self._opened = 0

    def show(
        self,
        picture: Picture,
        fragment: str = "",
        *,
        title: str = "Calls",
        origins: tuple[Origin, ...] = (),
        group_by: str = "",
    ) -> None:
        """Open the page of a picture; it must load without a complaint."""
        # A file of its own: the same address with another fragment would not be loaded again.
        self._opened += 1
        path = self._folder / f"calls-{self._opened}.html"
        path.write_text(render_html(picture, title, origins, group_by), encoding="utf-8")
        self.browser.open(path, fragment)
        self.settle()
        assert self.browser.console() == []

    def settle(self) -> None:
        """Wait until the map that was asked for is drawn."""
        assert self.run(SETTLED, PATIENCE_MS), "the map was never drawn"

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Run JavaScript in the page."""
        return self.browser.run(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys, and wait for what they change."""
        self.browser.press(*keys)
        self.settle()

    def search(self, text: str) -> str:
        """Type into the search field, and read how many calls are left."""
        self.type(text)
        self.settle()
        return str(self.text("#count"))

    def type(self, text: str) -> None:
        """Type into the search field, and do not wait."""
        self.run(
            """
            const field = document.getElementById("search");
            field.value = arguments[0];
            field.dispatchEvent(new Event("input"));
            """,
            text,
        )

    def text(self, selector: str) -> str:
        """The text that an element shows."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def names(self, selector: str) -> list[str]:
        """What a screen reader says of the elements, in the page's order."""
        script = """
            return [...document.querySelectorAll(arguments[0])]
              .map((found) => found.getAttribute("aria-label") ?? found.textContent);
        """
        return list(self.run(script, selector))

    def click(self, name: str, selector: str = "#drawn [role=button]") -> None:
        """Click the one element whose name begins so."""
        script = """
            const [selector, name] = arguments;
            const found = [...document.querySelectorAll(selector)].filter((one) =>
              (one.getAttribute("aria-label") ?? one.textContent).startsWith(name));
            if (found.length !== 1) return found.length;
            found[0].dispatchEvent(new MouseEvent("click", { bubbles: true }));
            return 1;
        """
        assert self.run(script, selector, name) == 1, name
        self.settle()

    def boxes(self) -> list[str]:
        """The names of the map's boxes."""
        return list(self.run("return presentPicture.boxes.map(boxTitle).sort()"))

    def lines(self) -> list[str]:
        """The map's lines, as `from → to`."""
        script = """
            const name = ({ from, to }) => boxTitle(from) + " → " + boxTitle(to);
            return presentPicture.bundles.map(name).sort();
        """
        return list(self.run(script))

    def focused(self) -> str:
        """The name of what has the focus."""
        script = """
            const { activeElement } = document;
            return activeElement.getAttribute("aria-label") ?? activeElement.textContent;
        """
        return str(self.run(script))
