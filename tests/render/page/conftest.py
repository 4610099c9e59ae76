"""One browser for all tests of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import MISSING, Browser, chromium
from tests.page_views import Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests of the page."""
    if MISSING:
        pytest.skip("chromium and chromedriver are not installed")
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Page:
    """A page to open, in a window of the usual size."""
    browser.resize(1400, 900)
    browser.prefer()
    return Page(browser, tmp_path)
