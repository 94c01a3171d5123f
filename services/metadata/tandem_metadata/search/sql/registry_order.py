"""The order of registered models and of model versions, as in MLflow on SQLite.

A missing time counts as the smallest.
"""

from collections.abc import Sequence

from tandem_metadata.database.tables.registry import model_versions, registered_models
from tandem_metadata.search.language.fields import Resource
from tandem_metadata.search.language.lexer import shown
from tandem_metadata.search.language.model_version_fields import MODEL_VERSION_ORDER
from tandem_metadata.search.language.registered_model_fields import REGISTERED_MODEL_ORDER
from tandem_metadata.search.sql.order import Ordering, not_null, nulls_smallest, parsed
from tandem_metadata.search.sql.registry_compile import VERSION_NUMBER
from tandem_shared.errors import InvalidParameter


def order_registered_models(clauses: Sequence[str]) -> Ordering:
    """The ordering of registered models: as asked, then by name.

    Raises InvalidParameter for a clause that names no field or names one again.
    """
    wanted = _wanted(clauses, REGISTERED_MODEL_ORDER)
    wanted.setdefault("name", True)
    columns = registered_models.c
    terms = [
        not_null(columns.name, ascending)
        if key == "name"
        else nulls_smallest(columns.last_updated_time, ascending)
        for key, ascending in wanted.items()
    ]
    return Ordering(terms, registered_models)


def order_model_versions(clauses: Sequence[str]) -> Ordering:
    """The ordering of versions: as asked, else the last updated first; then by name, latest first.

    Raises InvalidParameter for a clause that names no field or names one again.
    """
    wanted = _wanted(clauses, MODEL_VERSION_ORDER) or {"last_updated_timestamp": False}
    wanted.setdefault("name", True)
    wanted.setdefault("version_number", False)
    columns = model_versions.c
    times = {
        "creation_timestamp": columns.creation_time,
        "last_updated_timestamp": columns.last_updated_time,
    }
    keys = {"name": columns.name, "version_number": VERSION_NUMBER}
    terms = [
        not_null(keys[key], ascending) if key in keys else nulls_smallest(times[key], ascending)
        for key, ascending in wanted.items()
    ]
    return Ordering(terms, model_versions)


def _wanted(clauses: Sequence[str], resource: Resource) -> dict[str, bool]:
    """The keys to sort by, most significant first, and whether ascending."""
    wanted: dict[str, bool] = {}
    for order in parsed(clauses, resource):
        key = order.field.key
        if key in wanted:
            raise InvalidParameter(
                f"`order_by` contains duplicate fields: it names {shown(key)} twice; remove one."
            )
        wanted[key] = order.ascending
    return wanted
