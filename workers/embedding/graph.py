"""MiniLM's graph: a text to its vectors.

Outputs are ``dense`` (1, 384) float32, the normalised mean over all tokens as the model card asks, and
``tokens`` (1, s - 2, k) float16, the last layer's states of the text's own tokens, projected and normalised.
"""

from onnx import TensorProto, helper

from rag.model import Vector
from workers.bundled.bert import Network
from workers.bundled.wheels import Weights
from workers.embedding.minilm import DIMENSION, LAYERS


def minilm_graph(weights: Weights, projection: Vector, *, int8: bool) -> bytes:
    """The serialised ONNX model; ``projection`` is (384, k) float32."""
    network = Network(weights, int8=int8)
    states = network.embeddings()
    for layer in range(LAYERS):
        states = network.layer(states, layer)
    _pool(network, states, projection)
    outputs = [
        helper.make_tensor_value_info("dense", TensorProto.FLOAT, [1, DIMENSION]),
        helper.make_tensor_value_info("tokens", TensorProto.FLOAT16, [1, "t", projection.shape[1]]),
    ]
    return network.serialised("minilm", ["ids"], outputs)


def _pool(network: Network, states: str, projection: Vector) -> None:
    mean = network.node("ReduceMean", [states, "second"], "mean", keepdims=0)
    network.node("LpNormalization", [mean], "dense", axis=1, p=2)
    own = network.node("Slice", [states, "second", "last", "second"], "own")
    network.constant("projection", projection)
    projected = network.node("MatMul", [own, "projection"], "projected")
    unit = network.node("LpNormalization", [projected], "unit", axis=2, p=2)
    network.node("Cast", [unit], "tokens", to=TensorProto.FLOAT16)
