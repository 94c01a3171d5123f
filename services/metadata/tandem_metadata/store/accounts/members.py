"""Users whom an identity provider tells of: created when they first log in, in roles of groups."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.tables.accounts import roles, user_role_assignments, users
from tandem_metadata.rules.accounts import WORKSPACE
from tandem_metadata.store.accounts.load import User, by_name


def differs(
    user: User | None, held: Collection[str], wanted: Collection[str], admin: bool | None
) -> bool:
    """Whether `admit` would change something."""
    return user is None or set(held) != set(wanted) or admin not in (None, user.admin)


def roles_of(conn: Connection, user_id: int, among: Collection[str]) -> set[str]:
    """Those of the roles that a user has."""
    found = conn.scalars(
        select(roles.c.name)
        .join(user_role_assignments, user_role_assignments.c.role_id == roles.c.id)
        .where(
            user_role_assignments.c.user_id == user_id,
            roles.c.workspace == WORKSPACE,
            roles.c.name.in_([*among]),
        )
    )
    return set(found)


def admit(
    conn: Connection,
    name: str,
    wanted: Collection[str],
    mapped: Collection[str],
    admin: bool | None,
) -> User:
    """The user of that name, who has the `wanted` roles, and of those `mapped` no others.

    He is created where he is missing, without a password, and so are roles. `admin` makes him an
    administrator, or no longer; None leaves that.
    """
    conn.execute(
        tables.insert(conn, users)
        .values(username=name, password_hash=None, is_admin=False)
        .on_conflict_do_nothing(index_elements=[users.c.username])
    )
    user_id: int = conn.execute(select(users.c.id).where(users.c.username == name)).scalar_one()
    if admin is not None:
        conn.execute(update(users).where(users.c.id == user_id).values(is_admin=admin))
    ids = _ids(conn, mapped)
    conn.execute(
        delete(user_role_assignments).where(
            user_role_assignments.c.user_id == user_id,
            user_role_assignments.c.role_id.in_(
                [role_id for role, role_id in ids.items() if role not in wanted]
            ),
        )
    )
    assigned = user_role_assignments.c
    for role in sorted(wanted):
        conn.execute(
            tables.insert(conn, user_role_assignments)
            .values(user_id=user_id, role_id=ids[role])
            .on_conflict_do_nothing(index_elements=[assigned.user_id, assigned.role_id])
        )
    user = by_name(conn, name)
    assert user is not None
    return user


def _ids(conn: Connection, names: Collection[str]) -> Mapping[str, int]:
    """The ids of roles, which are created where they are missing."""
    found = _found(conn, names)
    if missing := set(names) - set(found):
        conn.execute(
            tables.insert(conn, roles)
            .values([{"name": each, "workspace": WORKSPACE} for each in sorted(missing)])
            .on_conflict_do_nothing(index_elements=[roles.c.workspace, roles.c.name])
        )
        found = _found(conn, names)
    return found


def _found(conn: Connection, names: Collection[str]) -> dict[str, int]:
    rows = conn.execute(
        select(roles.c.name, roles.c.id).where(
            roles.c.workspace == WORKSPACE, roles.c.name.in_([*names])
        )
    )
    return {row.name: row.id for row in rows}
