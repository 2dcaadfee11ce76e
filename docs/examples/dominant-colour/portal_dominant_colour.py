"""`dominant-colour`: the colour of a picture, as it is written on the web.

A task of a plug-in looks just like one of the portal's own.
"""

from portal.runtime import (
    PICTURE,
    Description,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
    Task,
    TaskRefused,
)

SIZE = 64  # pixels: a colour is no finer than that


class DominantColour(Task):
    """The colour of a picture; the model gives red, green and blue from 0 to 1."""

    name = "dominant-colour"
    option_names = ("prefix",)

    def __init__(self, settings, sessions, files):
        """Take the one session; a version has no other files."""
        self._session = sessions["model"]
        self._prefix = settings.options.get("prefix", "#")

    @classmethod
    def describe(cls, settings):
        """Declare a picture, a switch, and a text."""
        if not isinstance(settings.options.get("prefix", "#"), str):
            message = "[settings] prefix must be a string."
            raise TaskRefused(message)
        return Description(
            inputs=(PICTURE,),
            parameters=(
                Parameter("upper", ParameterKind.BOOL, "Capitals", default=False),
            ),
            outputs=(Output("colour", OutputKind.TEXT, "Colour"),),
        )

    def preprocess(self, inputs, parameters):
        """Return a tensor of shape (1, 3, rows, columns), float32, from 0 to 1."""
        rows, columns, _ = inputs["image"].shape
        thinned = inputs["image"][:: -(-rows // SIZE), :: -(-columns // SIZE)]
        return (thinned.transpose(2, 0, 1)[None] / 255).astype("float32")

    def infer(self, prepared):
        """Return red, green and blue: shape (1, 3)."""
        (colour,) = self._session.run(
            None, {self._session.get_inputs()[0].name: prepared}
        )
        return colour

    def postprocess(self, raw, parameters):
        """Return the outputs by name, ready for JSON."""
        text = "".join(f"{round(float(share) * 255):02x}" for share in raw[0])
        return {
            "colour": self._prefix + (text.upper() if parameters["upper"] else text)
        }
