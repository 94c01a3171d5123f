"""Attributes and events of other tracing libraries, said in MLflow's attributes.

One module a convention; `translator` knows their order.
"""

from tandem_metadata.spans.translation.translator import (
    conventions_of,
    translate,
    translate_all,
    translate_type,
)

__all__ = ["conventions_of", "translate", "translate_all", "translate_type"]
