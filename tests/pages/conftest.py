"""A headless Chromium for the tests of pages, where there is one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""And the package of Debian that has it; Ubuntu calls the second one chromium-chromedriver."""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """One browser for all tests, with a profile of its own."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        pytest.skip(f"no browser on this machine: apt-get install {' '.join(missing)}")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all that one can have, in a folder with the run that it links to."""
    from tests.pages.example import example_page

    folder = tmp_path_factory.mktemp("pages")
    (folder / "runs" / "a b#1?").mkdir(parents=True)
    file = folder / "report.html"
    file.write_bytes(example_page())
    return file
