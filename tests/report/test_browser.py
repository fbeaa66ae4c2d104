# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a browser shows it: in light and dark, on a telephone, on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import changes
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import page as pages
from browser import Page

from tests.unit.plugins.seen_site import Site

LONG = "a-machine-with-a-very-long-name-01.department.example.com"
TELEPHONE, DESK = 360, 1200


def broken() -> Site:
    """Something of everything."""
    site = Site("istiod")
    site.site["vms"].append({"name": LONG, "address": "2001:db8:1234:5678:9abc:def0:1234:5678"})
    site.vms[LONG], site.facts[LONG] = site.vms["web2"], site.facts["web2"]
    site.fail("peer", "web1", "http://web:9080/ answers 503: " + "upstream_connect_error_or_disconnect_reset" * 5)
    site.fail("capture", LONG, "port 9080 is not captured")
    site.directors["lvs1"]["drained"] = ["192.168.0.72"]
    site.lose("node1")
    return site


def write(folder: Path, site: Site, days: float = 0) -> Path:
    report = site.report(days)
    found = changes.Changes([changes.Change(changes.WORSE, "I14 web1: was ok")], "2026-01-01T00:00:00Z", "2026-01-02")
    path = folder / "report.html"
    path.write_text(pages.page(report, found), encoding="utf-8")
    return path


@pytest.fixture(params=["well", "broken"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path, Site("istiod") if request.param == "well" else broken())


def shown(page: Page, selector: str) -> bool:
    return page.ask(f"getComputedStyle(document.querySelector('{selector}')).display") != "none"


@pytest.mark.parametrize("width", [320, TELEPHONE, 414, 768, DESK])
def test_nothing_has_to_be_scrolled_sideways(page: Page, file: Path, width: int) -> None:
    page.open(file, width)
    assert page.ask("document.documentElement.scrollWidth") <= width
    wide = width > 736
    assert (shown(page, "svg.wide"), shown(page, "svg.tall")) == (wide, not wide)


@pytest.mark.parametrize("width", [TELEPHONE, DESK])
def test_texts_in_the_picture_have_room_and_can_be_read(page: Page, file: Path, width: int) -> None:
    page.open(file, width)
    found: list[dict[str, Any]] = page.ask(
        """[...document.querySelectorAll('svg .box, svg .frame')].filter(g => g.getBoundingClientRect().width)
        .flatMap(g => [...g.querySelectorAll('text')].map(text => {
          const inner = text.getBoundingClientRect(), outer = g.querySelector('rect').getBoundingClientRect();
          const name = text.classList.contains('name') && g.querySelector('.sign circle');
          const end = name ? name.getBoundingClientRect().left : outer.right;
          return {text: text.textContent, over: Math.max(inner.right - end, outer.left - inner.left)};
        }))"""
    )
    assert found
    assert [item for item in found if item["over"] > 0] == []
    sizes = page.ask(
        """[...document.querySelectorAll('svg text')].filter(text => text.getBoundingClientRect().width)
        .map(text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
    )
    assert min(sizes) >= 9.5


def luminance(colour: str) -> float:
    values = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(page: Page, file: Path, scheme: str) -> None:
    page.open(file, DESK, scheme=scheme)
    ground = page.ask("getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) > 0.5) is (scheme == "light")
    for selector in ("h1", "p", ".soft", "td.detail", ".state.ok", "svg .small"):
        name = "fill" if selector.startswith("svg") else "color"
        colour = page.ask(f"getComputedStyle(document.querySelector('{selector}')).{name}")
        assert contrast(colour, ground) >= 4.5, selector


def test_on_paper(page: Page, file: Path) -> None:
    page.open(file, 680, scheme="dark", media="print")
    assert luminance(page.ask("getComputedStyle(document.body).backgroundColor")) == pytest.approx(1)
    assert shown(page, "svg.wide")
    # The browser chooses the medium itself.
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 5


def test_nothing_is_loaded_or_run(page: Page, tmp_path: Path) -> None:
    site = Site()
    evil = "<script>document.title = 'run'</script><img src=http://192.0.2.1/x onerror=\"document.title = 'run'\">"
    site.fail("package", "web1", evil)
    page.events.clear()
    path = write(tmp_path, site)
    page.open(path, DESK)
    assert evil in page.ask("document.body.textContent")
    assert page.ask("document.title") != "run"
    urls = [
        event["params"]["request"]["url"] for event in page.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert set(urls) == {path.as_uri()}
    assert [event for event in page.events if event["method"] == "Log.entryAdded"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [TELEPHONE, DESK])
def test_screenshots_for_people(page: Page, pictures: Path, tmp_path: Path, width: int, scheme: str) -> None:
    page.open(write(tmp_path, broken()), width, scheme=scheme)
    path = pictures / f"{width}-{scheme}.png"
    page.screenshot(path)
    assert path.stat().st_size > 10_000
