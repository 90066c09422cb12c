"""Types that the models of a topology share."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]

Located = Literal["checked", "attested", "local"]
"""How it is known where a backend stands.

``checked``: by the provider's own name for the place. ``attested``: by a document of the company
that runs it. ``local``: it is this machine, or a disk of it, and no document says where it stands.
"""

Fault = tuple[str, str]
"""A dotted key, and what is wrong with its value."""


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
