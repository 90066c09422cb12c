"""What the login of this session may do, by the roles of which it is a member."""

from sqlalchemy import Connection, text

from storage.errors import SettingsError

_KEYS = "domicile_keys"
_ROLES = ["domicile_admin", _KEYS, "domicile_lookup", "domicile_service", "domicile_worker"]
# A superuser is a member of every role. A role that no migration has made has no members.
_MEMBER = text(
    "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (:roles) "
    "AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolname"
)
_THERE = text("SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :login)")


def make_person(connection: Connection, login: str) -> bool:
    """Make a login for one person, with the rights of people. False: the server has that login."""
    if connection.scalar(_THERE, {"login": login}):
        return False
    name = connection.dialect.identifier_preparer.quote_identifier(login)
    connection.execute(text(f"CREATE ROLE {name} LOGIN IN ROLE domicile_admin"))
    return True


def check_looks_up_only(connection: Connection) -> None:
    """Raise SettingsError unless the login is a member of ``domicile_keys``, and of no other role.

    The login with which the session began counts: ``SET ROLE`` changes nothing.
    """
    roles = list(connection.scalars(_MEMBER, {"roles": _ROLES}))
    if roles == [_KEYS]:
        return
    others = [role for role in roles if role != _KEYS]
    says = f"is a member of {', '.join(others)}" if others else f"is no member of {_KEYS}"
    raise SettingsError(
        f"The login of the key service to its catalog {says}.",
        advice=f"Make one for it alone, and no superuser: CREATE ROLE keys LOGIN IN ROLE {_KEYS}",
    )
