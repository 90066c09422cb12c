"""The documentation site: built without the network, complete, and with nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import BaseModel

import storage
import storage.testing
from storage.errors import DomicileError
from storage.settings import Settings

ROOT = Path(__file__).parents[2]
_OFFLINE = """
import socket, sys
def refuse(*_): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli()
"""


class _Loaded(HTMLParser):
    """What a page makes a browser load, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag in {"script", "img", "iframe", "source", "video", "audio"}:
            self.urls.append(given.get("src") or "")
        if tag == "link" and given.get("rel") != "canonical":
            self.urls.append(given.get("href") or "")


def _read(page: Path) -> _Loaded:
    loaded = _Loaded()
    loaded.feed(page.read_text())
    return loaded


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly by a process that cannot open a connection."""
    made = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-c", _OFFLINE, "build", "--strict", "--site-dir", str(made)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=240,
    )
    return made


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """No script, style, font or image has an address: a reader's browser asks only this site."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert [u for u in _read(page).urls if re.match(r"(\w+:)?//", u)] == [], page
        assert 'data-md-component="source"' not in page.read_text()  # asks the repository's host
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(\w+:)?//", style.read_text()), style


def test_mermaid_is_loaded_from_the_site(site: Path) -> None:
    """Else the theme asks a CDN for it."""
    page = site / "architecture/index.html"
    [script] = [u for u in _read(page).urls if "mermaid" in u]
    assert (page.parent / script).resolve() == (site / "assets/mermaid.min.js").resolve()
    assert 'class="mermaid"' in page.read_text()


def test_every_public_name_has_a_reference(site: Path) -> None:
    """In the API, among the errors, or as settings."""
    api = set[str]().union(*(_read(p).anchors for p in (site / "api").rglob("*.html")))
    errors = _read(site / "errors/index.html").anchors
    for name in storage.__all__:
        value = getattr(storage, name)
        if isinstance(value, type) and issubclass(value, DomicileError):
            assert name.lower() in errors, name
        elif not (isinstance(value, type) and issubclass(value, BaseModel)):  # a setting
            assert any(anchor.split(".")[-1] == name for anchor in api), name
    for name in storage.testing.__all__:
        assert any(anchor.split(".")[-1] == name for anchor in api), name


def test_every_setting_is_explained(site: Path) -> None:
    """By a meaning of its own."""
    page = (site / "settings/index.html").read_text()
    for name in Settings.model_fields:
        assert f"DOMICILE_{name.upper()}" in page
    assert "<td></td>" not in page


def test_every_page_in_docs_is_on_the_site(site: Path) -> None:
    """A page that nothing lists is not found."""
    for source in (ROOT / "docs").rglob("*.md"):
        page = source.relative_to(ROOT / "docs").with_suffix("")
        assert (site / page / "index.html").exists(), source


def test_diagrams_have_no_semicolon() -> None:
    """Mermaid ends a statement there, and shows an error instead of the diagram."""
    for source in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for diagram in re.findall(r"```mermaid\n(.*?)```", source.read_text(), re.DOTALL):
            assert ";" not in diagram, source


def test_the_lock_names_no_registry() -> None:
    """Where packages come from is for pip's own settings to say."""
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock)
