"""Attributes and events of other tracing libraries, said in MLflow's attributes.

One module a convention; `translator` knows their order.
"""

from tandem_metadata.spans.translation.translator import translate, translate_all

__all__ = ["translate", "translate_all"]
