"""Pages that are generated from the code and from the files beside ``docs/``.

MkDocs makes them, so no page can disagree with the code that it describes. Two that other pages
link to are checked in too, for those who read the repository: ``make reference`` writes them, and a
test compares.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from posixpath import dirname, normpath
from types import ModuleType
from typing import TypeGuard, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import storage
import storage.errors
import storage.testing
from storage.errors import DomicileError
from storage.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]

# Files beside docs/ that are pages too.
_BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
# Where the site shows what a file has.
_SHOWN = {"storage/testing/__init__.py": "api/testing.md"}
_LISTED = re.compile(r"^\* `(?P<command>[a-z]+)`: .*$", re.MULTILINE)
_HEADING = re.compile(r"^##+ `(?P<command>[a-z ]+)`\n\n", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the addresses from the package's metadata, where there are any."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    urls: dict[str, str] = project.get("urls", {})
    config.site_url = urls.get("Documentation", config.site_url)
    # Not config.repo_url: the theme would have readers' browsers ask that host.
    config.extra["repository"] = urls.get("Source")
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for path, page in pages().items():
        files.append(File.generated(config, path, content=page()))
    for source, path in _BESIDE.items():
        text = (ROOT / source).read_text()
        files.append(
            File.generated(config, path, content=relinked(text, source, config.extra["repository"]))
        )
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Lead links that leave ``docs/`` to where they can be followed."""
    source = page.file.src_uri
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{source}", config.extra["repository"])


def pages() -> dict[str, Callable[[], str]]:
    """Return the generated pages: path in the site, and the function that makes it."""
    return {
        "api/store.md": store_page,
        "api/async.md": async_page,
        "api/values.md": values_page,
        "api/testing.md": testing_page,
        "cli.md": cli_page,
        "decisions/index.md": decisions_page,
    }


def kept() -> dict[str, Callable[[], str]]:
    """Return the generated pages that are checked in: path in ``docs/``, and what makes it."""
    return {"errors.md": errors_page, "settings.md": settings_page}


def relinked(markdown: str, source: str, repository: str | None) -> str:
    """Return the text of the file ``source`` with its links as the site needs them.

    A link to a file that is no page leads to ``repository``; without one, only its text is left.
    """
    at = dirname(next((page for file, page in _BESIDE.items() if file == source), source[5:]))

    def follow(found: re.Match[str]) -> str:
        target = normpath(f"{dirname(source)}/{found['path']}".lstrip("/"))
        known = _BESIDE | _SHOWN
        page = known.get(target, target[5:] if target.startswith("docs/") else None)
        if page is not None and page.endswith((".md", ".svg")):
            return f"[{found['text']}]({'../' * len(Path(at).parts)}{page}{found['anchor'] or ''})"
        if repository:
            return f"[{found['text']}]({repository}/blob/main/{target})"
        return found["text"]

    return _LINK.sub(follow, markdown)


def store_page() -> str:
    """Return the reference of the synchronous store."""
    names = ["open_store", "Store", "Tenant", "Capture", "OpenFile"]
    return "\n\n".join(
        [
            "# Store and tenants",
            "A service opens a store and binds a tenant. Operators use `store.admin`.",
            *_all_of(storage, names),
            *_all_of("storage.client.admin", ["Admin", "Tenants"]),
            *_all_of("storage.client.holds", ["Holds"]),
            *_all_of("storage.client.processors", ["Processors"]),
            *_all_of("storage.client.api_keys", ["ApiKeys"]),
        ]
    )


def async_page() -> str:
    """Return the reference of the asynchronous store."""
    names = ["open_async_store", "AsyncStore", "AsyncTenant", "AsyncCapture", "AsyncOpenFile"]
    return "\n\n".join(
        [
            "# Asynchronous store",
            (
                "The same objects for asyncio: arguments, results and errors are those of the "
                "[synchronous ones](store.md)."
            ),
            *_all_of(storage, names),
            *_all_of("storage.client.aio.admin", ["AsyncAdmin", "AsyncTenants"]),
            *_all_of("storage.client.aio.holds", ["AsyncHolds"]),
            *_all_of("storage.client.aio.processors", ["AsyncProcessors"]),
            *_all_of("storage.client.aio.api_keys", ["AsyncApiKeys"]),
        ]
    )


def values_page() -> str:
    """Return the reference of what callers give and get."""
    shown = store_page() + async_page()
    names = [n for n in storage.__all__ if f"storage.{n}\n" not in shown and not _elsewhere(n)]
    return "\n\n".join(
        [
            "# Values",
            (
                "What callers give and get. All are frozen, and the `repr` of one shows neither "
                "content, metadata, a subject, a group nor a file name."
            ),
            *(_value(name) for name in names),
        ]
    )


def testing_page() -> str:
    """Return the reference of ``storage.testing``."""
    return "\n\n".join(
        [
            "# storage.testing",
            "What your own tests use: [how to test your service](../howto/test-your-service.md).",
            *_all_of(storage.testing, storage.testing.__all__),
        ]
    )


def _elsewhere(name: str) -> bool:
    """Whether a public name has its reference on the page of errors or of settings."""
    value = getattr(storage, name)
    return isinstance(value, type) and issubclass(value, DomicileError | BaseModel)


def _all_of(module: ModuleType | str, names: Iterable[str]) -> Iterator[str]:
    """Return a directive of mkdocstrings for each name."""
    path = module if isinstance(module, str) else module.__name__
    return (f"::: {path}.{name}\n" for name in names)


def _value(name: str) -> str:
    """Return the directive for a value: the members of an enum, the fields of a dataclass."""
    value = getattr(storage, name)
    enum = isinstance(value, type) and issubclass(value, Enum)
    option = "show_if_no_docstring" if enum else "merge_init_into_class"
    return f"::: storage.{name}\n    options:\n      {option}: true\n"


def errors_page() -> str:
    """Return the page of errors: a section for each class, with its class name as heading."""
    head = (
        "# Errors\n\n"
        "Every error is a `DomicileError`. Its text says what happened and what to do; no text "
        "shows content, metadata, a subject, a file name or a key. `code` is the stable name for "
        "logs and JSON, `retryable` says whether the same call may succeed later, and `outcome` "
        "what a failed write left behind. `http_status` is what an HTTP service answers with.\n\n"
        f"```text\n{_tree(DomicileError)}\n```"
    )
    return "\n\n".join([head, *(_error(kind) for kind in _below(DomicileError))])


def _subclasses(kind: type[DomicileError]) -> list[type[DomicileError]]:
    """Return the public subclasses, in the order in which the tree of the package has them."""
    tree = storage.errors.__doc__ or ""
    public = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("storage.errors")]
    return sorted(public, key=lambda sub: tree.find(sub.__name__))


def _below(kind: type[DomicileError]) -> Iterator[type[DomicileError]]:
    """Return a class of errors and all below it, base first."""
    yield kind
    for sub in _subclasses(kind):
        yield from _below(sub)


def _tree(kind: type[DomicileError], indent: str = "") -> str:
    below = (_tree(sub, indent + "    ") for sub in _subclasses(kind))
    return "\n".join([indent + kind.__name__, *below])


def _error(kind: type[DomicileError]) -> str:
    retry = "yes" if kind.retryable else "no"
    outcome = {
        "not_stored": "Nothing was stored or changed.",
        "unknown": "The effect is unknown: what was asked may have happened, or still happen.",
    }[kind.outcome]
    above = kind.__mro__[1].__name__
    base = "" if kind is DomicileError else f"A kind of [{above}](#{above.lower()})."
    return "\n\n".join(
        [
            f"## {kind.__name__}",
            base,
            "\n".join(
                [
                    f"- **Cause:** {' '.join(_literals(kind.__doc__).split())}",
                    f"- **Retry:** {retry}. {outcome}",
                    f"- **What to do:** {kind.usual_advice}",
                    f"- **HTTP status:** {kind.http_status}",
                ]
            ),
        ]
    )


def _literals(docstring: str | None) -> str:
    """Return a docstring as Markdown."""
    lines = (docstring or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines).replace("``", "`")


def settings_page() -> str:
    """Return the page of settings: a row for each environment variable."""
    rows: list[str] = []
    for name, field in Settings.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        part = next((kind for kind in kinds if _is_model(kind)), None)
        if part is None:
            rows.append(_setting(name.upper(), field))
            continue
        many = get_origin(field.annotation) is dict
        of = f"{name.upper()}__<{name.upper().removesuffix('S')}>" if many else name.upper()
        rows += _parts(of, part)
    return "\n".join(
        [
            "# Settings\n",
            (
                "Settings are environment variables: addresses and secrets. What lives where is in "
                "the [topology](howto/add-a-region.md).\n"
            ),
            f"{_literals(Settings.__doc__)}\n",
            "| variable | type | default | meaning |",
            "|---|---|---|---|",
            *rows,
            (
                "\nAn unknown variable that begins with `DOMICILE_` is an error "
                "([SettingsError](errors.md#settingserror)). `domicile doctor` checks all of them."
            ),
        ]
    )


def _parts(of: str, part: type[BaseModel]) -> list[str]:
    """Return the rows of a group of settings, and of the groups in it."""
    rows: list[str] = []
    for key, field in part.model_fields.items():
        inner = next((a for a in get_args(field.annotation) if _is_model(a)), None)
        name = f"{of}__{key.upper()}"
        rows += [_setting(name, field)] if inner is None else _parts(name, inner)
    return rows


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _setting(name: str, field: FieldInfo) -> str:
    kind = next(iter(get_args(field.annotation)), field.annotation)
    names = {"SecretStr": "secret", "Path": "path", "str": "text"} | dict.fromkeys(
        ("int", "float"), "number"
    )
    shown = names[getattr(kind, "__name__", "")]
    given = json.dumps(field.default) if isinstance(field.default, dict) else field.default
    default = "required together" if field.is_required() else f"`{given}`"
    if field.default_factory is not None:
        default = "`~/.domicile`; for root `/var/lib/domicile`"
    unset = "unset" if field.default is None else default
    return f"| `{PREFIX}{name}` | {shown} | {unset} | {_literals(field.description)} |"


def cli_page() -> str:
    """Return the reference of the command line, as Typer writes it."""
    command = [sys.executable, "-m", "typer", "storage.cli", "utils", "docs"]
    made = subprocess.run(  # noqa: S603 - no part of it comes from outside
        [*command, "--name", "domicile", "--title", "Command line"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    return _with_whole_sentences(made.stdout)


def _with_whole_sentences(page: str) -> str:
    """Return the page with whole sentences in its lists of commands: Typer cuts them off."""
    heads = [("domicile", 0), *((head["command"], head.end()) for head in _HEADING.finditer(page))]
    firsts = {name: page[at:].split("\n\n", 1)[0].replace("\n", " ") for name, at in heads}

    def whole(listed: re.Match[str]) -> str:
        group = next(name for name, at in reversed(heads) if at <= listed.start())
        command = listed["command"]
        sentence = re.split(r"(?<=\.)\s", firsts[f"{group} {command}"], maxsplit=1)[0]
        return f"* `{command}`: {sentence}"

    return _LISTED.sub(whole, page)


def decisions_page() -> str:
    """Return the list of decision records."""
    rows = ["# Decisions\n", "| record | status |", "|---|---|"]
    for file in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        lines = file.read_text().splitlines()
        status = next(line for line in lines if line.startswith("Status: "))
        rows.append(f"| [{lines[0].lstrip('# ')}]({file.name}) | {status.split(': ', 1)[1]} |")
    return "\n".join(rows)


def write_kept() -> None:
    """Write the pages that are checked in."""
    for path, page in kept().items():
        (ROOT / "docs" / path).write_text(page().rstrip("\n") + "\n")


if __name__ == "__main__":
    write_kept()
