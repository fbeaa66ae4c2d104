# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh document: only the given keys change, and they can be put back to the byte."""

from __future__ import annotations

import difflib

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.document import (
    MISSING,
    Change,
    MeshConfigError,
    dump_changes,
    edit,
    load_changes,
    merge_changes,
    previous_values,
    restore,
    settings_hash,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import canonical, load
from hypothesis import given, settings
from hypothesis import strategies as st

DOCUMENT = """\
# Mesh-wide settings
disablePolicyChecks: false   # ask Mixer
policyCheckFailOpen:   no

enableTracing: True
mixerCheckServer: "istio-policy.istio-system.svc.cluster.local:9091"
defaultConfig:
  #
  # TCP connection timeout between Envoy & the application.
  connectTimeout: 10s
  concurrency: 0
  nested: {a: 1, b: [x, y]}
outbound:
- one
- two  # last
text: |
  several
  lines
empty:
accessLogFile: '/dev/stdout'
# the end
"""

WANTED = {"disablePolicyChecks": True, "policyCheckFailOpen": True, "enableTracing": False}


def changed_lines(before, after):
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def test_the_procedure_s_settings_touch_three_lines():
    result = edit(DOCUMENT, WANTED)
    assert changed_lines(DOCUMENT, result.text) == [
        "- disablePolicyChecks: false   # ask Mixer",
        "+ disablePolicyChecks: true   # ask Mixer",
        "- policyCheckFailOpen:   no",
        "+ policyCheckFailOpen:   true",
        "- enableTracing: True",
        "+ enableTracing: false",
    ]
    assert previous_values(result.changes) == {
        "disablePolicyChecks": False,
        "policyCheckFailOpen": False,
        "enableTracing": True,
    }
    assert edit(result.text, WANTED).changes == []
    assert restore(result.text, result.changes).text == DOCUMENT


@pytest.mark.parametrize(
    ("settings_", "absent", "line"),
    [
        ({"defaultConfig.connectTimeout": "1s"}, [], "+   connectTimeout: 1s"),
        ({"defaultConfig.nested.b": []}, [], "+   nested: {a: 1, b: []}"),
        ({"defaultConfig.nested.c": "x, y"}, [], "+   nested: {a: 1, b: [x, y], c: 'x, y'}"),
        ({"defaultConfig.added": True}, [], "+   added: true"),
        ({"defaultConfig.deep.er": 1}, [], "+   deep: {er: 1}"),
        ({"added": {"a": None}}, [], "+ added: {a: null}"),
        ({"outbound": "text"}, [], "+ outbound: text  # last"),
        ({"text": "one\ntwo"}, [], '+ text: "one\\ntwo"'),
        ({"empty": 1}, [], "+ empty: 1"),
        ({"accessLogFile": ""}, [], "+ accessLogFile: ''"),
        ({"disablePolicyChecks": "true"}, [], "+ disablePolicyChecks: 'true'   # ask Mixer"),
        ({"defaultConfig": None}, [], "+ defaultConfig: null"),
        ({}, ["defaultConfig.nested.a"], "+   nested: {b: [x, y]}"),
        ({}, ["defaultConfig.nested.b"], "+   nested: {a: 1}"),
        ({}, ["accessLogFile"], "- accessLogFile: '/dev/stdout'"),
        ({}, ["outbound"], "- outbound:"),
        ({}, ["text"], "- text: |"),
    ],
)
def test_single_changes(settings_, absent, line):
    result = edit(DOCUMENT, settings_, absent)
    lines = changed_lines(DOCUMENT, result.text)
    assert line in lines
    for mark in ("# Mesh-wide settings", "# ask Mixer", "# the end"):
        assert mark in result.text
    assert edit(result.text, settings_, absent).changes == []
    restored = restore(result.text, load_changes(dump_changes(result.changes)))
    assert canonical(load(restored.text)) == canonical(load(DOCUMENT))


def test_what_was_added_goes_away_to_the_byte():
    result = edit(DOCUMENT, {"new.deep.a": 1, "new.deep.b": 2, "other": 3})
    assert load(result.text)["new"] == {"deep": {"a": 1, "b": 2}}
    assert restore(result.text, result.changes).text == DOCUMENT


@pytest.mark.parametrize(
    "document", ["", "# only a comment\n", "{}", "{a: 1}\n", "a: 1", "a:\n  b: 1\n", "---\na: 1\n"]
)
def test_small_documents(document):
    result = edit(document, {"x": True, "y.z": [1]})
    assert {**load(document), "x": True, "y": {"z": [1]}} == load(result.text)
    assert canonical(load(restore(result.text, result.changes).text)) == canonical(load(document))


@pytest.mark.parametrize(
    ("document", "change", "message"),
    [
        ("a: [", {"a": 1}, "The document is not valid YAML"),
        ("- a\n", {"a": 1}, "The document is not a mapping"),
        ("a: 1\n", {"a.b": 1}, "a is no mapping, so a.b cannot be set. Set a as a whole"),
        ("a: &x {b: 1}\nc: *x\n", {"a.b": 2}, "a.b cannot be changed without touching other parts"),
        ("a: 1\n", {"": 2}, "is not a key"),
    ],
)
def test_what_cannot_be_done_is_refused(document, change, message):
    with pytest.raises(MeshConfigError, match=message):
        edit(document, change)


def test_changing_one_value_twice_is_refused():
    with pytest.raises(MeshConfigError, match="a and a exclude each other"):
        edit("a: 1\n", {"a": 2}, ["a"])
    with pytest.raises(MeshConfigError, match="a and a.b exclude each other"):
        edit("a: 1\n", {"a.b": 2, "a": 3})


def test_a_key_that_somebody_else_changed_is_left_alone():
    result = edit(DOCUMENT, WANTED)
    theirs = result.text.replace("enableTracing: false", "enableTracing: maybe")
    restored = restore(theirs, result.changes)
    assert load(restored.text)["enableTracing"] == "maybe"
    assert load(restored.text)["disablePolicyChecks"] is False
    assert restored.warnings == [
        "enableTracing is maybe and not false as it was set: somebody else changed it, so it is left as it is."
    ]


def test_the_record_keeps_the_first_value():
    first = edit("a: 1\n", {"a": 2})
    second = edit(first.text, {"a": 3, "b": 1})
    record = merge_changes(first.changes, second.changes)
    assert [(c.key, c.was, c.now) for c in record] == [("a", 1, 3), ("b", MISSING, 1)]
    assert restore(second.text, record).text == "a: 1\n"
    assert merge_changes(first.changes, [Change("a", 2, 1)]) == []


def test_the_fingerprint_follows_the_recorded_keys_only():
    result = edit(DOCUMENT, WANTED)
    fingerprint = settings_hash(result.text, result.changes)
    assert settings_hash(result.text + "foreign: 1\n", result.changes) == fingerprint
    assert settings_hash(DOCUMENT, result.changes) != fingerprint
    assert settings_hash(result.text, []) == ""


def test_a_broken_record_is_reported():
    with pytest.raises(MeshConfigError, match="record of earlier changes cannot be read"):
        load_changes('{"a": 1}')


scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.text(alphabet="ab:, #{}'\"-\n\u00e9", max_size=6))
values = st.recursive(
    scalars, lambda c: st.lists(c, max_size=2) | st.dictionaries(st.sampled_from("pqr"), c, max_size=2), max_leaves=5
)
documents = st.dictionaries(st.sampled_from(["a", "b", "c", "d e"]), values, min_size=1, max_size=4)
keys = st.sampled_from(["a", "b", "z", "z.y", "new.deep.er"])


@settings(deadline=None, max_examples=120)
@given(documents, st.booleans(), st.dictionaries(keys, values, max_size=3))
def test_an_edit_gives_the_expected_mapping_or_refuses_and_can_be_taken_back(content, flow, wanted):
    document = "# head\n" + yaml.safe_dump(content, default_flow_style=flow, allow_unicode=True) + "# tail\n"
    try:
        result = edit(document, wanted)
    except MeshConfigError:
        # Paths through values that are no mappings, or "z" beside "z.y".
        return
    assert result.text.startswith("# head\n")
    assert result.text.endswith("# tail\n")
    for key, value in wanted.items():
        found = load(result.text)
        for name in key.split("."):
            found = found[name]
        assert canonical(found) == canonical(value)
    untouched = {key for key in content if key not in {name.split(".")[0] for name in wanted}}
    assert all(canonical(load(result.text)[key]) == canonical(content[key]) for key in untouched)
    restored = restore(result.text, load_changes(dump_changes(result.changes)))
    if not restored.warnings:
        assert canonical(_without_empty(load(restored.text))) == canonical(_without_empty(content))


def _without_empty(value):
    # A null that became a mapping for a while comes back as an empty mapping.
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in ({}, None)}
    return value
