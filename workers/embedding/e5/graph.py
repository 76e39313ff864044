"""The graph of multilingual-e5-small: a text to its vector.

The input is ``ids``. The output ``dense`` (1, 384) float32 is the normalised mean over all tokens, less
``centre``. Vectors of this model all point nearly the same way: of unrelated texts the cosine is 0.75
already. What they have in common is taken off, and the rest normalised, so that cosines mean what MiniLM's
do.
"""

from onnx import TensorProto, helper

from rag.model import Vector
from workers.bundled.bert import Network
from workers.bundled.wheels import Weights
from workers.embedding.e5.blocks import LAYERS


def e5_graph(weights: Weights, centre: Vector, *, int8: bool) -> bytes:
    """The serialised ONNX model; ``centre`` is (384,) float32."""
    network = Network(weights, int8=int8)
    states = network.embeddings()
    for layer in range(LAYERS):
        states = network.layer(states, layer)
    mean = network.node("ReduceMean", [states, "second"], "mean", keepdims=0)
    network.node("LpNormalization", [mean], "unit", axis=1, p=2)
    network.node("Sub", ["unit", network.constant("centre", centre)], "centred")
    network.node("LpNormalization", ["centred"], "dense", axis=1, p=2)
    output = helper.make_tensor_value_info("dense", TensorProto.FLOAT, [1, len(centre)])
    return network.serialised("e5", ["ids"], [output])
