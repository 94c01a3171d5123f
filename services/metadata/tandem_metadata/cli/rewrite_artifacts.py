"""The command `tandem-metadata rewrite-artifacts`."""

from collections.abc import Sequence

import msgspec

from tandem_metadata.cli import db
from tandem_metadata.settings import Settings
from tandem_metadata.transfer import rewriting
from tandem_metadata.transfer.rewriting import Rewritten
from tandem_metadata.transfer.roots import FROM, TO, Moves
from tandem_shared.settings import SettingsError


def run(
    settings: Settings,
    old: Sequence[str],
    new: Sequence[str],
    *,
    yes: bool = False,
    as_json: bool = False,
) -> int:
    """Show what locations below the old roots would become, or with `yes` rewrite them; returns 0.

    Services may run meanwhile. Raises SettingsError for roots that are none, for new locations that
    are too long, and for a database that does not answer or that Tandem does not use.
    """
    if len(old) != len(new):
        raise SettingsError(
            f"{FROM} and {TO} go in pairs: give as many of one as of the other, in their order."
        )
    moves = Moves([*zip(old, new, strict=True)])
    left = 0
    with db.opened(settings, must_exist=True) as database:
        if yes:
            found = rewriting.rewrite(database, moves)
            if not moves.repeats:
                left = sum(each.number for each in rewriting.plan(database, moves))
        else:
            found = rewriting.plan(database, moves)
    if as_json:
        shown = {"changed": yes, "columns": found, "left": left}
        print(msgspec.json.format(msgspec.json.encode(shown)).decode())
    else:
        for line in _lines(found, moves, left, yes=yes):
            print(line)
    return 0


def _lines(found: Sequence[Rewritten], moves: Moves, left: int, *, yes: bool) -> list[str]:
    total = sum(each.number for each in found)
    width = max(len(each.name) for each in found)
    lines = []
    for each in found:
        lines.append(f"{each.name:{width}}  {each.number:>9,}")
        for before, after in each.samples:
            lines += [f"    {before}", f" -> {after}"]
    if not total:
        return [*lines, f"No location lies below a root of {FROM}: there is nothing to rewrite."]
    if not yes:
        lines.append(f"{_locations(total)} would be rewritten. Nothing is changed without --yes.")
        if moves.repeats:
            lines.append(
                f"A root of {TO} lies below one of {FROM}: do it once only, as the next time would "
                "move them again."
            )
        return lines
    lines.append(
        f"Rewrote {_locations(total)}. Services need no restart; clients that run now remember the "
        "old ones until they end."
    )
    if left:
        lines.append(f"{left:,} more were stored meanwhile: run the command again.")
    return lines


def _locations(number: int) -> str:
    return f"{number:,} location{'s' if number != 1 else ''}"
