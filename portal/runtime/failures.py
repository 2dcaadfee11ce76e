"""What a model may do wrong: refusals whose cause is neither caller nor portal."""

from portal.errors import Unavailable

NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory")


class ModelFailed(Unavailable):
    """A run that broke on what the model gave, such as an undeclared shape."""

    def __init__(self) -> None:
        super().__init__(
            "The model failed on this input. The portal's log tells its owner why."
        )


class OutOfMemory(Unavailable):
    """A run that asked for more memory than there is, or than it may have."""

    def __init__(self) -> None:
        super().__init__(
            "The model needs more memory than it may have. A smaller input may need "
            "less."
        )


class Crashed(Unavailable):
    """A run that took the version's own process along."""

    def __init__(self) -> None:
        super().__init__("The model ended by itself. Please try again in a moment.")


class Starting(Unavailable):
    """A version whose process was not ready by the deadline of a call."""

    def __init__(self) -> None:
        super().__init__("The model is being started. Please try again in a moment.")


class NotStarting(Unavailable):
    """A version whose process ended at each of its last starts."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "The model can't be started at the moment. Its owner can mend it.",
            retry_after_s=retry_after_s,
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether *error* says that no memory was left; onnxruntime has no class for it."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in NO_MEMORY
    )
