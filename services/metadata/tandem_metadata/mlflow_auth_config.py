"""The file by which MLflow's server is told of its accounts, `basic_auth.ini`."""

import configparser
import logging
from typing import Final

from tandem_shared.settings import SettingsError

DATABASE: Final = "sqlite:///basic_auth.db"
"""Where MLflow's server keeps accounts unless its file says otherwise."""

_SECTION: Final = "mlflow"
_SETTINGS: Final = {
    "default_permission": "auth_default_permission",
    "database_uri": "auth_database_uri",
    "admin_username": "auth_admin_username",
    "admin_password": "auth_admin_password",
}
"""Names of settings by the file's keys."""

_FUNCTION: Final = "authorization_function"
_ONLY_FUNCTION: Final = "mlflow.server.auth:authenticate_request_basic_auth"
_NO_EFFECT: Final = {_FUNCTION: _ONLY_FUNCTION, "grant_default_workspace_access": "false"}
"""Values that MLflow's own file has, and that say what Tandem does in any case."""

_log = logging.getLogger("tandem.auth")


def read(path: str) -> dict[str, str]:
    """Texts of settings, by name, that the file gives; warns of keys that have no effect here.

    Raises SettingsError, without repeating values, for a file that cannot be read, and for one that
    asks for another way to authenticate.
    """
    file = configparser.ConfigParser()
    try:
        with open(path, encoding="utf-8") as opened:
            file.read_file(opened)
        given = dict(file[_SECTION])
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from None
    except KeyError:
        raise _refused(path, f"has no section [{_SECTION}]") from None
    except configparser.InterpolationError:
        raise _refused(path, "has a value with a single '%': write it as '%%'") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise _refused(path, f"is no such file ({type(error).__name__})") from None
    if given.get(_FUNCTION, _ONLY_FUNCTION) != _ONLY_FUNCTION:
        raise _refused(
            path,
            f"names an {_FUNCTION}: Tandem runs none but '{_ONLY_FUNCTION}'. Remove that line",
        )
    for key, value in given.items():
        if key not in _SETTINGS and value.strip().lower() != _NO_EFFECT.get(key):
            _log.warning("%s: '%s' has no effect here, and is ignored", path, key)
    return {name: given[key] for key, name in _SETTINGS.items() if key in given}


def _refused(path: str, why: str) -> SettingsError:
    return SettingsError(f"--auth-config-path (MLFLOW_AUTH_CONFIG_PATH): {path} {why}.")
