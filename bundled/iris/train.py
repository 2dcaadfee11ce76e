"""Make ``iris.onnx``: softmax regression on the flowers in ``iris.csv``.

Run ``python bundled/iris/train.py`` to make the file again. It needs numpy and
onnx, no network and no random numbers.

The model is linear, so the standardisation the training uses is folded into the
weights: the ONNX graph takes plain centimetres.

``iris.csv`` is Fisher's table of 1936, as R has it. The copy at UCI, which many
others come from, differs from it in the 35th and the 38th flower.
"""

import csv
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
SPECIES = tuple((HERE / "labels.txt").read_text(encoding="utf-8").split())
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

# Enough to hold the weights down: without it they grow for ever, because setosa
# can be told from the others without a single mistake. Of 0.01, 0.003, 0.001 and
# 0.0003, this and the last name the most flowers when one is left out in turn.
PENALTY = 0.001
MAX_STEPS = 50  # Newton's method needs about ten
TOLERANCE = 1e-10  # largest change of a weight that still counts as movement

# Old enough for every onnxruntime a reader may have.
OPSET = 17
IR_VERSION = 8

Floats = NDArray[np.float64]


def main() -> None:
    """Train, write ``iris.onnx`` and print how good it is."""
    features, species = read_flowers(HERE / "iris.csv")
    weights, bias = train(features, species)
    onnx.save(build_model(weights, bias), HERE / "iris.onnx")

    right = count_right(features, species, weights, bias)
    held_out = count_right_leaving_one_out(features, species)
    total = len(species)
    print(f"Training accuracy:      {right}/{total} = {right / total:.1%}")
    print(f"Leave-one-out accuracy: {held_out}/{total} = {held_out / total:.1%}")


def read_flowers(path: Path) -> tuple[Floats, NDArray[np.int64]]:
    """Read the measurements and the species of every flower.

    Returns:
        Features of shape ``(N, 4)``, float64: flower, measurement in the order of
        ``FEATURES``, in centimetres; and species of shape ``(N,)``, int64: index
        into ``SPECIES``.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = np.array([[float(row[name]) for name in FEATURES] for row in rows])
    species = np.array([SPECIES.index(row["species"]) for row in rows], np.int64)
    return features, species


def train(features: Floats, species: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Fit softmax regression with a quadratic penalty, by Newton's method.

    The loss is the mean cross entropy plus ``PENALTY / 2`` times the sum of the
    squared weights and biases, measured on standardised features. The biases are
    in it because only the penalty makes the best parameters unique: the same
    number added to every species' score changes nothing.

    Args:
        features: Shape ``(N, 4)``: flower, measurement in centimetres.
        species: Shape ``(N,)``: index into ``SPECIES``.

    Returns:
        Weights of shape ``(4, 3)``: measurement (per centimetre), species; and
        bias of shape ``(3,)``: species.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    inputs = np.column_stack(
        [(features - mean) / deviation, np.ones(len(features))],
    )
    weights, bias = np.split(fit(inputs, np.eye(len(SPECIES))[species]), [-1])
    weights = weights / deviation[:, np.newaxis]
    return weights, bias[0] - mean @ weights


def fit(inputs: Floats, targets: Floats) -> Floats:
    """Minimise the penalised loss.

    Args:
        inputs: Shape ``(N, 5)``: flower, standardised measurements and a one.
        targets: Shape ``(N, 3)``: flower, species; 1 for the right one, else 0.

    Returns:
        Parameters of shape ``(5, 3)``: input, species.

    Raises:
        ArithmeticError: The steps have not died away after ``MAX_STEPS``.
    """
    count, inputs_len = inputs.shape
    classes = targets.shape[1]
    parameters = np.zeros((inputs_len, classes))
    for _ in range(MAX_STEPS):
        probabilities = softmax(inputs @ parameters)
        gradient = inputs.T @ (probabilities - targets) / count + PENALTY * parameters
        # Second derivative of the loss with respect to parameters [i, k], [j, l].
        spread = np.einsum("nk,kl->nkl", probabilities, np.eye(classes))
        spread -= np.einsum("nk,nl->nkl", probabilities, probabilities)
        hessian = np.einsum("ni,nkl,nj->ikjl", inputs, spread, inputs) / count
        hessian = hessian.reshape(parameters.size, parameters.size)
        hessian += PENALTY * np.eye(parameters.size)
        step = np.linalg.solve(hessian, gradient.ravel()).reshape(parameters.shape)
        parameters -= step
        if np.abs(step).max() < TOLERANCE:
            return parameters
    message = f"The weights still move after {MAX_STEPS} steps."
    raise ArithmeticError(message)


def softmax(scores: Floats) -> Floats:
    """Turn each row of scores into probabilities that sum to 1."""
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    total: Floats = powers.sum(axis=1, keepdims=True)
    return powers / total


def build_model(weights: Floats, bias: Floats) -> onnx.ModelProto:
    """Return the ONNX model: ``softmax(features @ weights + bias)``.

    Its input ``features`` is float32 ``[N, 4]`` in centimetres, its output
    ``probabilities`` float32 ``[N, 3]``, from 0 to 1, each row summing to 1.
    """
    graph = helper.make_graph(
        nodes=[
            helper.make_node("Gemm", ["features", "weights", "bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        name="iris",
        inputs=[
            helper.make_tensor_value_info(
                "features", TensorProto.FLOAT, ["N", len(FEATURES)]
            ),
        ],
        outputs=[
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["N", len(SPECIES)]
            ),
        ],
        initializer=[
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="bundled/iris/train.py",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    checker.check_model(model, full_check=True)
    return model


def count_right(
    features: Floats, species: NDArray[np.int64], weights: Floats, bias: Floats
) -> int:
    """Count the flowers whose most probable species is the right one."""
    guesses = (features @ weights + bias).argmax(axis=1)
    return int((guesses == species).sum())


def count_right_leaving_one_out(features: Floats, species: NDArray[np.int64]) -> int:
    """Count the flowers named rightly by a model that has not seen them."""
    right = 0
    for flower in range(len(species)):
        others = np.arange(len(species)) != flower
        weights, bias = train(features[others], species[others])
        here = slice(flower, flower + 1)
        right += count_right(features[here], species[here], weights, bias)
    return right


if __name__ == "__main__":
    main()
