"""The report in a real browser: Chromium, spoken to over WebDriver's HTTP interface."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limbeck.reporting import report, report_fit

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


class Browser:
    """One headless Chromium, driven by chromedriver."""

    def __init__(self, folder: Path) -> None:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        driver = shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip("no chromium with chromedriver here; apt-get install chromium-driver")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.log = (folder / "chromedriver.log").open("w")
        self.process = subprocess.Popen(
            [driver, f"--port={port}"], stdout=self.log, stderr=subprocess.STDOUT
        )
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        wanted["goog:loggingPrefs"] = {"browser": "ALL", "performance": "ALL"}  # type: ignore[assignment]
        self.await_driver()
        answer = self.ask("/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def await_driver(self) -> None:
        for _ in range(200):
            try:
                if self.ask("/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise TimeoutError("chromedriver did not start within 10 s")

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        with self.opener.open(request, timeout=60) as response:
            return json.load(response)["value"]

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools protocol."""
        body = {"cmd": name, "params": parameters}
        return self.ask(f"{self.session}/goog/cdp/execute", body)

    def run(self, script: str) -> Any:
        return self.ask(f"{self.session}/execute/sync", {"script": script, "args": []})

    def logs(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"{self.session}/se/log", {"type": kind})
        return found

    def visit(self, page: Path, *, width: int = 1100, dark: bool = False) -> None:
        """Open a page and wait until no chart is left to draw."""
        for kind in ("browser", "performance"):
            self.logs(kind)
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.darken(dark)
        self.ask(f"{self.session}/url", {"url": page.as_uri()})
        for _ in range(400):
            if self.run(
                "return [...document.querySelectorAll('.chart')].every(c => c.dataset.state)"
            ):
                return
            time.sleep(0.05)
        raise TimeoutError("a chart was neither drawn nor failed within 20 s")

    def darken(self, dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        try:
            self.ask(self.session, method="DELETE")
        finally:
            self.process.terminate()
            self.process.wait(10)
            self.log.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(hostile_comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(hostile_comparison, tmp_path_factory.mktemp("page") / "report.html")


def picture(browser: Browser, name: str) -> None:
    """A screenshot for people to look at, where LIMBECK_SCREENSHOTS names a folder."""
    if "LIMBECK_SCREENSHOTS" in os.environ:
        folder = Path(os.environ["LIMBECK_SCREENSHOTS"])
        folder.mkdir(parents=True, exist_ok=True)
        browser.picture(folder / f"{name}.png")


def test_every_chart_has_its_marks_drawn(browser, page):
    """A page of empty boxes, which no test of the HTML's text notices."""
    browser.visit(page)
    picture(browser, "light")
    charts = browser.run(
        """return [...document.querySelectorAll('.chart')].map(chart => ({
            id: chart.id, state: chart.dataset.state,
            width: chart.querySelector('svg')?.getBoundingClientRect().width,
            box: chart.querySelector('.drawing').getBoundingClientRect().width,
            marks: [...chart.querySelectorAll('svg .role-mark path, svg .role-mark line')]
                .filter(mark => { const box = mark.getBoundingClientRect();
                                  return box.width > 0 || box.height > 0; }).length}))"""
    )
    marks = {chart["id"]: chart["marks"] for chart in charts}
    assert [chart["state"] for chart in charts] == ["drawn"] * len(charts)
    assert len(charts) >= 6
    assert all(count >= 2 for count in marks.values()), marks
    assert all(abs(chart["width"] - chart["box"]) < 2 for chart in charts)


def test_nothing_is_fetched_and_nothing_complains(browser, page):
    """A report that is blank on a train, or that tells a server who reads it."""
    browser.visit(page)
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    messages = [json.loads(entry["message"])["message"] for entry in browser.logs("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert browser.logs("browser") == []
    assert browser.run("return document.querySelectorAll('a, iframe, img, link').length") == 0


def test_the_pages_own_policy_forbids_fetching_and_foreign_scripts(browser, page):
    """A script in a class name that runs, should escaping ever fail."""
    browser.visit(page)
    browser.run(
        """const script = document.createElement('script');
           script.textContent = 'window.foreign = true';
           document.body.append(script);"""
    )
    assert browser.run("return window.foreign === undefined")
    outcome = browser.run(
        "return fetch('data:text/plain,hello').then(() => 'fetched', () => 'refused')"
    )
    assert outcome == "refused"


def test_hostile_names_are_shown_and_never_run(browser, page):
    """A class called <script>alert(1)</script>, or one that closes its JSON block."""
    browser.visit(page)
    assert browser.run("return window.hacked === undefined")
    assert browser.run("return document.querySelectorAll('b.hostile').length") == 0
    assert "<script>window.hacked=1</script>" in browser.run("return document.body.textContent")


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_never_scrolls_sideways(browser, page, width):
    """A table or a chart wider than the screen, or labels cut at a chart's edge."""
    browser.visit(page, width=width)
    picture(browser, f"phone-{width}")
    assert browser.run("return window.innerWidth") == width
    assert browser.run("return document.documentElement.scrollWidth") <= width
    wide = browser.run(
        """return [...document.querySelectorAll('main *, header *')]
            .filter(e => !e.closest('.scroll') && !e.closest('pre') && !e.closest('svg'))
            .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
            .map(e => e.tagName + '.' + e.className)"""
    )
    assert wide == []
    cut = browser.run(
        """return [...document.querySelectorAll('.chart svg text')].filter(text => {
            const inner = text.getBoundingClientRect();
            const outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1
                || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1);
        }).map(text => text.textContent)"""
    )
    assert cut == []


def test_dark_mode_changes_the_page_and_its_charts(browser, page):
    """White boxes in the dark, or black axis labels on black."""
    script = """const of = (element, name) => getComputedStyle(element)[name];
        const label = document.querySelector('.chart svg .role-axis-label text');
        return [of(document.body, 'backgroundColor'), of(document.body, 'color'),
                of(label, 'fill'), of(document.querySelector('.word'), 'color')]"""
    browser.visit(page, dark=False)
    light = browser.run(script)
    browser.darken(True)
    dark = browser.run(script)
    picture(browser, "dark")
    assert all(before != after for before, after in zip(light, dark, strict=True))
    ink = [[brightness(colour) for colour in mode] for mode in (light, dark)]
    for background, *others in ink:
        assert all(contrast(background, other) >= 4.5 for other in others)
    assert ink[0][0] > 0.9
    assert ink[1][0] < 0.05
    browser.visit(page, dark=True)
    assert browser.run(script) == dark


def brightness(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)", as WCAG 2.2 defines it."""
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    """Contrast ratio of two luminances, 1 to 21, as WCAG 2.2 defines it."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_the_verdict_is_seen_first(browser, page):
    """A reader who has to scroll for the answer."""
    browser.visit(page, width=390)
    script = "return document.querySelector('.word').getBoundingClientRect().toJSON()"
    box = browser.run(script)
    assert 0 <= box["top"] < box["bottom"] < 300


@pytest.fixture(scope="module")
def fitted_page(found, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_fit(found, tmp_path_factory.mktemp("fit") / "report.html")


def test_hovering_a_point_of_the_front_shows_its_recipe(browser, fitted_page):
    """A front of dots that nobody can make again."""
    browser.visit(fitted_page)
    picture(browser, "fit")
    browser.run("document.querySelector('#chart-front').scrollIntoView()")
    places = browser.run(
        """return [...document.querySelectorAll('#chart-front svg .mark-symbol path')]
            .map(mark => { const box = mark.getBoundingClientRect();
                           return [box.x + box.width / 2, box.y + box.height / 2]; })"""
    )
    assert len(places) == 3
    told = []
    for x, y in places:
        for aside in (3, 0):
            browser.command("Input.dispatchMouseEvent", type="mouseMoved", x=x - aside, y=y)
        for _ in range(100):
            tip = browser.run(
                "return document.querySelector('#vg-tooltip-element.visible')?.textContent"
            )
            if tip and tip not in told:
                told.append(tip)
                break
            time.sleep(0.05)
    assert len(told) == 3
    for name, temperature in (("mlp 16", "1.5"), ("mlp 32", "1.5"), ("bold", "1")):
        tip = next(text for text in told if name in text)
        assert "hidden" in tip
        assert f"temperature {temperature}" in tip
    assert browser.run("return document.querySelectorAll('b.hostile').length") == 0


@pytest.mark.parametrize("width", [390, 320])
def test_the_front_fits_a_phone(browser, fitted_page, width):
    """A table of candidates that drags the page sideways."""
    browser.visit(fitted_page, width=width)
    picture(browser, f"fit-{width}")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    states = browser.run(
        "return [...document.querySelectorAll('.chart')].map(c => c.dataset.state)"
    )
    assert set(states) == {"drawn"}
    assert browser.logs("browser") == []
