"""A real browser, where one is installed: Debian's chromium, driven by its own driver; nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Browser:
    """A window that opens files."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280, scheme: str = "light") -> None:
        """Open a page and wait until its rows are shown."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get(path.resolve().as_uri())
        self.wait("performance.getEntriesByName('rows-shown').length > 0")

    def run(self, script: str, *values: Any) -> Any:
        """Return the value of an expression."""
        return self.driver.execute_script(f"return {script}", *values)

    def wait(self, script: str) -> None:
        """Wait until an expression holds."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: self.run(script))

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def choose(self, **filters: str) -> int:
        """Set filters of the rows, and return how many pass."""
        self.run(
            "(([form, wanted]) => { form.reset(); for (const [name, value] of Object.entries(wanted)) "
            "form.elements[name].value = value; form.dispatchEvent(new Event('input')); })"
            "([document.getElementById('filters'), arguments[0]])",
            filters,
        )
        self.run("new Promise((done) => setTimeout(done, 200))")
        return self.passing()

    def passing(self) -> int:
        """Return how many rows are said to pass the filters."""
        return int(self.run("document.getElementById('count').textContent").split()[0].replace(",", ""))

    def complaints(self) -> list[Any]:
        """Return what the browser has complained of."""
        return self.driver.get_log("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a browser; tests that need one are passed over where there is none."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("there is no chromium with its chromedriver on this machine")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
