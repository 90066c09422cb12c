"""A key opens nothing of another tenant: every route, with every id that the other has."""

import io
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from storage.logs import make_logger
from storage.model import DataClass, RecordId
from storage.service import create_app
from storage.testing import Domicile
from tests.support.serving import SETTINGS, Service, left, service

__all__ = ["service"]

pytestmark = pytest.mark.one_region

MARK = b"mine alone"


def routes(domicile: Domicile) -> Iterator[tuple[str, str]]:
    """Yield the method and the path of each route, from the application itself."""
    app = create_app(domicile.store, SETTINGS, make_logger())
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            yield method.upper(), path


def ids_of_other(domicile: Domicile) -> list[RecordId]:
    """Return ids of everything that another tenant stores, in all classes."""
    other = domicile.tenant("other")
    put = other.put(DataClass.PROMPT, MARK, subject="u").id
    erased = other.put_file(io.BytesIO(MARK), filename="erased.jsonl").id
    other.delete(erased)
    return [
        put,
        other.put(DataClass.COMPLETION, MARK, derived_from=[put]).id,
        other.put_file(io.BytesIO(MARK), filename="mine.jsonl", metadata={"purpose": "batch"}).id,
        erased,
    ]


def test_every_route_with_every_id_of_another_tenant(service: Service) -> None:
    """Nothing is shown, nothing is changed, and whether the id exists is not told."""
    domicile = service.domicile
    ids = ids_of_other(domicile)
    walked = list(routes(domicile))
    before = left(domicile)
    shown: list[httpx.Response] = []
    with service.http() as client:
        for method, path in walked:
            for one in ids:
                found = path.replace("{file_id}", str(one))
                asked = {"after": str(one)} if found == path else {}
                shown.append(client.request(method, found, params=asked))

    assert {path for _, path in walked} >= {"/v1/files", "/v1/files/{file_id}"}
    for got in shown:
        assert MARK not in got.content
        assert b"mine.jsonl" not in got.content
        if "{" not in got.url.path and got.request.method == "GET" and got.status_code == 200:
            assert got.json()["data"] == []
    told = {
        (got.status_code, got.json()["error"]["code"])
        for got in shown
        if str(got.url.path).count("/") > 2
    }
    assert told == {(404, "not_found")}
    assert left(domicile) == before


def test_no_record_of_its_own_but_files_is_opened_as_a_file(service: Service) -> None:
    """A prompt is no file, whoever asks."""
    tenant = service.domicile.store.tenant("acme-eu")
    prompt = tenant.put(DataClass.PROMPT, MARK).id
    with service.http() as client:
        got = [
            client.get(f"/v1/files/{prompt}"),
            client.get(f"/v1/files/{prompt}/content"),
            client.delete(f"/v1/files/{prompt}"),
        ]

    assert [one.status_code for one in got] == [404, 404, 404]
    assert tenant.exists(prompt)


def test_every_route_needs_a_key(service: Service) -> None:
    """But the description of the routes, which has nothing of anybody."""
    with httpx.Client(base_url=service.url) as client:
        got = [
            client.request(method, path.replace("{file_id}", "x"))
            for method, path in routes(service.domicile)
        ]

    assert {one.status_code for one in got} == {401}
