"""What models cost. The prices are a file, which `make prices` takes from MLflow's catalogue."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from tandem_metadata.spans.keys import (
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    CACHE_WRITE_TOKENS_1HR,
    INPUT_COST,
    INPUT_TOKENS,
    OUTPUT_COST,
    OUTPUT_TOKENS,
    TOTAL_COST,
)

_FILE: Final = "prices.txt"
_PER: Final = 1_000_000
"""Prices are of so many tokens."""

_ROUTES: Final = ("gateway:/", "endpoints:/")
"""What begins so names a route of MLflow's gateway, and no model."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one token."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1hr: float


@dataclass(frozen=True, slots=True)
class _Catalogue:
    of_providers: Mapping[str, Mapping[str, str]]
    """Prices as the file says them, by provider and model."""
    of_models: Mapping[str, str]
    """By model, of the first provider that takes something for input, else of the first."""


def cost(model: str, provider: str | None, usage: Mapping[str, Any]) -> dict[str, float] | None:
    """US dollars for input, for output and in all.

    None if the model is unknown, nothing was used, or the usage holds what is no number.
    """
    used = _numbers(usage)
    if used is None or model.startswith(_ROUTES) or not (price := price_of(model, provider)):
        return None
    if used[INPUT_TOKENS] == 0 and used[OUTPUT_TOKENS] == 0:
        return None
    try:
        input_cost = _input_cost(used, price)
        output_cost = used[OUTPUT_TOKENS] * price.output
        total_cost = input_cost + output_cost
    except OverflowError:  # an integer that no float can hold
        return None
    if not math.isfinite(total_cost):
        return None
    return {INPUT_COST: input_cost, OUTPUT_COST: output_cost, TOTAL_COST: total_cost}


def price_of(model: str, provider: str | None) -> Price | None:
    """The price of a provider's model; if he has none of that name, another provider's."""
    if not provider and model.startswith(("databricks-", "databricks/")):
        provider = "databricks"
    catalogue = _catalogue()
    name = model.partition("/")[2] or model  # often the provider stands before the first slash
    line = catalogue.of_providers.get((provider or "").lower(), {}).get(name)
    if line is None:
        line = catalogue.of_models.get(name)
    return None if line is None else _price(line)


def _numbers(usage: Mapping[str, Any]) -> dict[str, int | float] | None:
    names = (
        INPUT_TOKENS, OUTPUT_TOKENS, CACHE_READ_TOKENS, CACHE_WRITE_TOKENS, CACHE_WRITE_TOKENS_1HR
    )  # fmt: skip
    numbers = {name: usage.get(name) or 0 for name in names}
    return numbers if all(map(_is_number, numbers.values())) else None


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _input_cost(used: Mapping[str, int | float], price: Price) -> float:
    read, written = used[CACHE_READ_TOKENS], used[CACHE_WRITE_TOKENS]
    for_an_hour = min(used[CACHE_WRITE_TOKENS_1HR], written)
    parts = (
        (max(used[INPUT_TOKENS] - read - written, 0), price.input),
        (read, price.cache_read),
        (written - for_an_hour, price.cache_write),
        (for_an_hour, price.cache_write_1hr),
    )
    return sum((tokens * each for tokens, each in parts if tokens > 0), start=0.0)


@cache  # as many as the file has
def _price(line: str) -> Price:
    given = {i: float(text) / _PER for i, text in enumerate(line.split()) if text != "-"}
    plain = given.get(0, 0.0)
    write = given.get(3, plain)
    return Price(plain, given.get(1, 0.0), given.get(2, plain), write, given.get(4, write))


@cache
def _catalogue() -> _Catalogue:
    """Read at first use: a service that gets no traces of models needs no prices."""
    of_providers: dict[str, dict[str, str]] = {}
    of_models: dict[str, str] = {}
    free: dict[str, str] = {}
    for provider, model, line in _lines(files(__package__).joinpath(_FILE).read_text("utf-8")):
        of_providers.setdefault(provider, {})[model] = line
        # `0 …`, `- …` and nothing: input costs nothing, as far as is known.
        (free if line[:2] in ("", "-", "- ", "0", "0 ") else of_models).setdefault(model, line)
    return _Catalogue(of_providers, free | of_models)


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    provider = ""
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        if line.startswith("["):
            provider = line[1:-1]
        else:
            model, _, prices = line.partition(" ")
            yield provider, model, prices
