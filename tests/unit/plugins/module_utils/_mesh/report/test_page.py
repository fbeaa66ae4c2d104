# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: nothing that a host says becomes part of it as anything but text, and it needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.mesh_report import mesh_report
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import (
    changes,
    page,
    picture,
    picture_tall,
    shown,
    svg,
    tables,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report.changes import Change, Changes

from tests.unit.plugins.mesh_pki import NOW
from tests.unit.plugins.seen_site import Site

HOSTILE = "</title></svg><script>alert('1')</script><img src=x onerror=\"alert(2)\"> & \u202e"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
VOID = {"meta", "circle", "rect", "path"}


class Reader(HTMLParser):
    """All elements, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, dummy in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def made(site: Site, changed: Changes = changes.Changes()) -> str:  # noqa: B008
    return page.page(site.report(), changed)


def test_what_hosts_say_is_text() -> None:
    ordinary = read(made(Site()))
    site = Site()
    site.site["vms"][0].update(name=HOSTILE, address=HOSTILE)
    site.site["services"][0]["name"] = HOSTILE
    for found in (site.vms, site.facts, site.envoys):
        found[HOSTILE] = found.pop("web1")
    site.facts[HOSTILE] = {"ansible_facts": {"ansible_kernel": HOSTILE}}
    site.fail("settings", "cluster", HOSTILE)
    site.fail("package", HOSTILE, f"{HOSTILE} {TOKEN}")
    site.api["version"] = HOSTILE
    html = made(site, Changes([Change(changes.WORSE, HOSTILE)], HOSTILE, HOSTILE, HOSTILE))
    reader = read(html)
    assert reader.seen - ordinary.seen <= {"ul", "li", "section", "code", "b", "div"}
    assert not {"script", "img"} & reader.seen
    assert not [name for name in reader.attributes if name.startswith("on")]
    assert "\u202e" not in html
    assert TOKEN not in html
    assert any(HOSTILE[:-4] in text for text in reader.texts)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    html = made(Site("istiod"))
    reader = read(html)
    assert not {"script", "link", "iframe", "img", "object", "a"} & reader.seen
    assert not {"src", "href", "data", "action", "srcset"} & reader.attributes
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_what_is_wrong_comes_first() -> None:
    site = Site()
    site.fail("request", "web1", "it answered 503")
    html = made(site)
    assert html.index("1 of 32 checks fails") < html.index("it answered 503") < html.index("<svg")
    assert "mesh.expansion.site --check --diff -l web1" in html


def test_a_long_reason_is_whole_in_its_row_only() -> None:
    site = Site()
    site.fail("request", "web1", "it answered " + "very " * 100 + "badly")
    html = made(site)
    assert html.count("very badly") == html.count('class="detail">it answered') + html.count("<title>cluster → web1")
    assert "very …</p>" in html


def test_each_connection_is_in_both_pictures() -> None:
    site = Site()
    site.fail("request", "web1", "it answered 503")
    report = site.report()
    for drawn in (picture.wide(report), picture_tall.tall(report)):
        titles = re.findall(r'<g class="edge (\w+)(?: standby)?"><title>([^<]*)</title>', drawn)
        assert len(titles) == len(report.edges)
        assert [title for state, title in titles if state == "failed"] == [
            "cluster → web1: FAILED, R19 a pod reaches the VM through the mesh: it answered 503"
        ]


def test_many_vms_have_room() -> None:
    site = Site()
    site.site["vms"] += [{"name": f"more{n}", "address": f"192.168.1.{n}"} for n in range(100)]
    for vm in site.site["vms"][2:]:
        site.vms[vm["name"]], site.facts[vm["name"]] = site.vms["web1"], site.facts["web1"]
    site.lose("more77")
    boxes = shown.shown(site.report(), "vm")
    assert len(boxes) == shown.MOST
    assert boxes[0].key == "more77"
    assert list(boxes[-1].lines) == ["91 more", "see below"]
    read(made(site))


def test_a_site_without_anything_is_drawn() -> None:
    site = Site()
    site.site |= {"directors": [], "nodes": [], "vms": []}
    site.directors, site.vms = {}, {}
    read(made(site))


def test_long_names_keep_their_end() -> None:
    assert svg.cut("web1", 100) == "web1"
    cut = svg.cut("a-very-long-name-of-a-machine-in-the-cellar-17", 100)
    assert len(cut) <= 14
    assert cut.endswith("-17")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(90000, "in 1 day"), (7300, "in 2 hours"), (61, "in 1 minute"), (5, "in a moment"), (-200000, "2 days ago")],
)
def test_how_long_something_lasts(seconds: int, said: str) -> None:
    from datetime import timedelta

    assert tables.left(NOW + timedelta(seconds=seconds), NOW) == said


def test_the_filter() -> None:
    site = Site()
    given = site.looks()._asdict()
    first = mesh_report(site.rows(), site.site, **given)
    assert first["changed"]
    assert "no earlier report" in first["html"]
    again = mesh_report(site.rows(), site.site, **given, former=first["json"])
    assert not again["changed"]
    site.fail("request", "web1", "it answered 503")
    third = mesh_report(site.rows(), site.site, **given, former=again["json"])
    assert third["changed"]
    assert json.loads(third["json"])["changes"]["items"][0][0] == changes.WORSE
    assert third["summary"].endswith("checks fail") or "fails" in third["summary"]
    with pytest.raises(AnsibleFilterError, match="needs the results"):
        mesh_report([{"row": "R1"}], site.site)
