"""A page of a tenant's files, with their names and purposes.

These are sealed, and opened with the row if ``classes.toml`` declares them as listed; otherwise
each file is opened.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from storage import (
    AsyncBoundTenant,
    DataClass,
    Erased,
    Expired,
    NotFound,
    Purpose,
    RecordId,
    RecordInfo,
)
from storage.service.answers import ApiError
from storage.service.shapes import FileObject, file_object

PAGE: Final = 100
"""Files on a page at most: each may cost a read."""
_LOOKED_AT: Final = 10_000  # files that a request opens at most, to find those of a purpose


async def page(
    tenant: AsyncBoundTenant,
    data_class: DataClass,
    *,
    purpose: str | None,
    after: str | None,
    newest_first: bool,
    limit: int,
) -> tuple[Sequence[FileObject], bool]:
    """Return up to ``limit`` files, and whether there are more.

    Raises ApiError if too many files of other purposes come before.
    """
    found: list[FileObject] = []
    last: RecordId | str | None = after
    for _ in range(0, _LOOKED_AT, PAGE):
        rows = await tenant.list(
            purpose=Purpose.SERVE,
            data_class=data_class,
            newest_first=newest_first,
            after=last,
            limit=limit - len(found) if purpose is None else PAGE,
        )
        shown = await described(tenant, rows)
        found += [one for one in shown if purpose in (None, one.purpose)]
        if len(found) >= limit or not rows.has_more:
            return found[:limit], rows.has_more or len(found) > limit
        last = rows.cursor
    raise ApiError(
        400,
        "too_many_files",
        f"The next {_LOOKED_AT} files do not fill a page. List without a purpose.",
        param="purpose",
    )


async def described(tenant: AsyncBoundTenant, rows: Sequence[RecordInfo]) -> Sequence[FileObject]:
    """Return what is shown of records; those that are gone meanwhile are left out."""
    found = await asyncio.gather(*(_described(tenant, row) for row in rows))
    return [one for one in found if one is not None]


async def _described(tenant: AsyncBoundTenant, row: RecordInfo) -> FileObject | None:
    if row.listed.keys() >= {"filename", "purpose"}:
        return file_object(row, row.listed)
    try:
        async with tenant.open(row.id, purpose=Purpose.SERVE) as file:
            return file_object(file.info, file.metadata)
    except (NotFound, Erased, Expired):
        return None
