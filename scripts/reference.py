"""`make reference`: the collection's modules, filters and roles as a site, in build/reference; a warning is an error.

The site links to Ansible's own documentation. Where that has what the pages name is written down here, so no network
is needed.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

import ansible.modules

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build/reference"
COLLECTION = "mesh.expansion"
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
# Label of a section -> its page there.
SECTIONS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
SETTINGS = {
    "extensions": "sphinx.ext.intersphinx,sphinx_antsibull_ext",
    "html_theme": "alabaster",
    "html_title": COLLECTION,
    "html_show_sphinx": "0",
    "html_copy_source": "0",
    "project": COLLECTION,
    "html_theme_options.page_width": "90%",
    "html_theme_options.fixed_sidebar": "true",
}


class SiteError(Exception):
    """The site cannot be made without warnings; what was said."""


def labels() -> dict[str, str]:
    """Every label of Ansible's documentation that a page may name, with where it is."""
    builtin = (module.name for module in pkgutil.iter_modules(ansible.modules.__path__))
    found = {
        f"ansible_collections.ansible.builtin.{name}_module": f"collections/ansible/builtin/{name}_module.html"
        for name in builtin
    }
    return SECTIONS | found


def inventory(where: Mapping[str, str]) -> bytes:
    """The labels in Sphinx's format for links to other sites (objects.inv, version 2)."""
    head = "# Sphinx inventory version 2\n# Project: Ansible\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    lines = []
    for label, page in sorted(where.items()):
        anchor = label.replace("_", "-").replace(".", "-")
        lines.append(f"{label} std:label -1 {page}#{anchor} {label}\n")
    return head.encode() + zlib.compress("".join(lines).encode())


def run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SiteError(f"$ {' '.join(command[:3])} …\n{done.stdout}")


def configuration(objects: Path) -> str:
    """Sphinx's conf.py: what its command line cannot say."""
    return f'intersphinx_mapping = {{"ansible": ("{ANSIBLE}", "{objects}")}}\n'


def build(site: Path) -> Path:
    """Make the site anew; its first page."""
    shutil.rmtree(site, ignore_errors=True)
    source = site / "source"
    source.mkdir(parents=True)
    # antsibull-docs refuses a folder that others may write to.
    source.chmod(0o755)
    run(
        *("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
        *("--dest-dir", str(source), COLLECTION),
        ANSIBLE_COLLECTIONS_PATH=str(ROOT / "build/collections"),
    )
    objects = source / "objects.inv"
    objects.write_bytes(inventory(labels()))
    (source / "conf.py").write_text(configuration(objects), encoding="utf-8")
    settings = [word for name, value in SETTINGS.items() for word in ("-D", f"{name}={value}")]
    run("sphinx-build", "-q", "-W", "--keep-going", *settings, "-b", "html", str(source), str(site / "html"))
    return site / "html/index.html"


def main() -> int:
    try:
        page = build(SITE)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The reference is in {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
