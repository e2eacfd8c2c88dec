r"""What a marker says of a step, in the words of a language."""

from mlproof.verification.document.messages import reason, say
from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
)
from mlproof.verification.document.values.world import World


class Wording:
    """Messages in the language of the reader."""

    def __init__(self, language: str):
        self.language = language

    def say(self, name: str, /, **found: object) -> str:
        return say(self.language, name, **found)

    def refusal(self, error: Exception | None) -> str:
        if isinstance(error, Unknown):
            why = reason(self.language, error.name, **error.found)
            return self.say("unknown", reason=why)
        if isinstance(error, NotUnderstood):
            return self.say("refused", reason=error.reason)
        return self.say("nowhere")

    def ill_typed(self, error: IllTyped, world: World) -> str:
        found = {
            key: shown_shape(value, world) if isinstance(value, tuple) else value
            for key, value in error.found.items()
        }
        if "size" in found and isinstance(found["size"], int):
            found["size"] = shown_size(found["size"], world)
        return self.say(error.name, **found)


def shown_size(size: int, world: World) -> str:
    name = world.size_name(size)
    return name if name == str(size) else f"{name} = {size}"


def shown_shape(shape: tuple[int, ...], world: World) -> str:
    if not shape:
        return "1"
    if len(shape) == 1:
        return f"{world.size_name(shape[0])} × 1"
    return " × ".join(world.size_name(size) for size in shape)
