"""Check that botocore reads all of an answer about a bucket.

botocore leaves out an element that it does not know, takes the first of two, and takes ``TRUE`` for
false. What it leaves out may be a rule, so such an answer says nothing.
"""

from collections.abc import Iterator
from functools import lru_cache
from xml.etree.ElementTree import Element

from botocore.model import ListShape, Shape, StructureShape


class Unread(Exception):
    """Something in an answer is not read. The message has no text of the server."""


def check_read(root: Element, output: Shape | None) -> None:
    """Raise Unread unless everything under the root is in the description of the output."""
    if isinstance(output, StructureShape):
        payload = output.serialization.get("payload")
        _check(root, output.members[payload] if payload else output)


def _check(element: Element, shape: Shape) -> None:
    if isinstance(shape, StructureShape):
        _check_members(element, shape)
    elif isinstance(shape, ListShape):
        name = shape.member.serialization.get("name", "member")
        for child in element:
            if local_name(child) != name:
                raise Unread("an unknown element in a list")
            _check(child, shape.member)
    elif len(element):
        raise Unread("elements in the place of a text")
    elif shape.type_name == "boolean" and element.text not in ("true", "false"):
        raise Unread("neither true nor false")


def _check_members(element: Element, shape: StructureShape) -> None:
    members, found = dict(_members(shape)), set[str]()
    for child in element:
        name = local_name(child)
        if name not in members:
            raise Unread("an unknown element")
        member = members[name]
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            member = member.member
        elif name in found:
            raise Unread("an element that is there twice")
        found.add(name)
        _check(child, member)


def _members(shape: StructureShape) -> Iterator[tuple[str, Shape]]:
    """Yield the name of the element of each member, as botocore looks for it."""
    for key, member in shape.members.items():
        name = member.serialization.get("name", key)
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            name = member.member.serialization.get("name", name)
        if "location" not in member.serialization:  # not in a header
            yield name, member


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return plain_name(element.tag)


@lru_cache(maxsize=256)
def plain_name(tag: str) -> str:
    """Return the tag of an element without its namespace."""
    return tag.rpartition("}")[2]
