"""What names, passwords and roles of accounts may be."""

import unicodedata
from typing import Final

from tandem_metadata.rules import limits
from tandem_shared.errors import InvalidParameter

LEAST_PASSWORD: Final = 12
"""Characters, as MLflow asks for."""

OLD_DEFAULT: Final = "password1234"
"""The password that old releases of MLflow gave each first administrator; everybody knows it."""

OWN_PREFIX: Final = "__user_"
"""Names of roles that begin so are reserved: they hold what single users are granted."""

WORKSPACE: Final = "default"
"""The one workspace that there is, in which MLflow keeps all grants as well."""

_NAME: Final = 255
_INVISIBLE: Final = ("Cc", "Cf", "Zl", "Zp")
"""Unicode's categories of control and format characters, and of ends of lines."""
_DESCRIPTION: Final = 1024


def check_username(name: str) -> None:
    """Raise InvalidParameter for a name that no user with a password may get."""
    if ":" in name:
        raise InvalidParameter(
            "Parameter 'username' holds a colon: by HTTP Basic, which ends the name at the first "
            "one, such a user could not sign in."
        )
    check_distinct(name)


def check_distinct(name: str) -> None:
    """Raise InvalidParameter for a name that is too long, reserved, or looks like another one."""
    limits.check_length("username", name, _NAME)
    if not name.strip():
        raise InvalidParameter("Parameter 'username' holds only blanks; give a name.")
    if name != name.strip():
        raise InvalidParameter(
            f"Parameter 'username' {limits.quoted(name)} begins or ends with a blank, by which it "
            "looks like another name; remove it."
        )
    if any(unicodedata.category(each) in _INVISIBLE for each in name):
        raise InvalidParameter(
            f"Parameter 'username' {limits.quoted(name)} holds a control character, by which it "
            "may look like another name; remove it."
        )
    if name.startswith(OWN_PREFIX):
        raise InvalidParameter(
            f"Parameter 'username' {limits.quoted(name)} uses the reserved '{OWN_PREFIX}' prefix, "
            "which roles of single users have; choose a different name."
        )


def check_password(password: str) -> None:
    """Raise InvalidParameter for a password that no user may get; the error does not show it."""
    if len(password) < LEAST_PASSWORD:
        raise InvalidParameter(
            f"Password must be at least {LEAST_PASSWORD} characters; choose a longer one."
        )
    if not password.strip():
        raise InvalidParameter("Parameter 'password' holds only blanks; choose another one.")
    if password == OLD_DEFAULT:
        raise InvalidParameter(
            "Parameter 'password' is the default of old releases of MLflow, which everybody knows; "
            "choose another one."
        )


def check_role_name(name: str) -> None:
    """Raise InvalidParameter for a name that no role may get."""
    if not name.strip():
        raise InvalidParameter("Role name cannot be empty: give one by parameter 'name'.")
    limits.check_length("name", name, _NAME)
    if name.startswith(OWN_PREFIX):
        raise InvalidParameter(
            f"Role name {limits.quoted(name)} uses the reserved '{OWN_PREFIX}' prefix, which roles "
            "of single users have; choose a different name."
        )


def check_description(description: str) -> None:
    """Raise InvalidParameter for a role's description that is too long."""
    limits.check_length("description", description, _DESCRIPTION)


def check_workspace(workspace: str) -> None:
    """Raise InvalidParameter for a workspace in which no role takes effect."""
    if not workspace.strip():
        raise InvalidParameter("Workspace cannot be empty: use 'default'.")
    if workspace != WORKSPACE:
        raise InvalidParameter(
            f"Workspace {limits.quoted(workspace)} does not exist: Tandem has no workspaces but "
            f"'{WORKSPACE}', and roles of others would grant nothing."
        )
