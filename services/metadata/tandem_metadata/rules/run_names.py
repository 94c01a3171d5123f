"""Random names for runs that are created without one."""

import random


def _words(text: str) -> list[str]:
    return text.split()


_ADJECTIVES = _words(
    "agile amber ample arctic autumn azure balmy bold brave breezy bright brisk calm candid "
    "cheerful civil clear clever cobalt cool copper coral crimson crisp curious daring deft eager "
    "early earnest easy even fair fleet fluent fond frank fresh gentle gilded glad golden grand "
    "green happy hardy hazel honest humble ivory jolly keen kind lively loyal lucid lunar mellow "
    "merry mild misty modest neat nimble noble olive open patient placid polite proud quick quiet "
    "rapid ready rosy rustic sandy serene sharp silent silver sincere smooth snowy solar spry "
    "steady still sunny swift tidy tranquil trusty upbeat velvet vivid warm wise witty young zesty"
)
_NOUNS = _words(
    "acorn anchor aspen badger bay beacon birch bison brook canyon cedar cliff clover comet condor "
    "cove crane creek dale delta dolphin dune eagle elk ember falcon fern field finch fjord forest "
    "fox gale garden geyser glacier glade grove gull harbor hare hawk heath heron hill ibis inlet "
    "island jay kestrel lagoon lake lantern lark ledge lily lynx maple marsh marten meadow mesa "
    "moose moss oak ocean orchid osprey otter owl pebble petrel pine plover pond poplar prairie "
    "quail quartz raven reef ridge river robin salmon seal sparrow spruce stork stream summit swan "
    "tern thicket thrush tide trail trout tundra valley walnut willow wren yak"
)


def generate() -> str:
    """A name such as `brave-otter-271`: adjective, noun, and a number below 1000."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"
