"""The canonical text of a region: the same whatever the layout of its file."""

import hashlib
import json

from pydantic import ValidationError

from regions.model import Region, plain


def region_text(region: Region) -> str:
    """Return the region as JSON, keys sorted. What its file does not state is not in it."""
    return _text(region.model_dump(exclude_unset=True))


def canonical(text: str) -> str:
    """Return a text with the layout of a canonical one. Raises ValueError if it is not JSON."""
    return _text(json.loads(text))


def region_of(text: str) -> Region:
    """Return the region of a canonical text. Raises ValueError if it is not one."""
    try:
        return Region.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError("is not the text of a region") from error


def digest_of(text: str) -> str:
    """Return the SHA-256 of a canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _text(stated: object) -> str:
    return json.dumps(stated, sort_keys=True, indent=2, ensure_ascii=False, default=plain)
