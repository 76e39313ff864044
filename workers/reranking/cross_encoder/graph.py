"""The cross-encoder's graph: a question and a passage to one logit.

Inputs are ``ids`` and ``kinds``; the output ``logit`` is (1, 1, 1) float32. Only the first token's state is
read, so the last layer computes no other.
"""

from onnx import TensorProto, helper

from workers.bundled.bert import Network
from workers.bundled.wheels import Weights

LAYERS = 12


def cross_encoder_graph(weights: Weights, *, int8: bool) -> bytes:
    """The serialised ONNX model."""
    network = Network(weights, int8=int8)
    states = network.embeddings(pairs=True)
    for layer in range(LAYERS - 1):
        states = network.layer(states, layer)
    first = network.last_layer(states, LAYERS - 1)
    _classify(network, weights, first)
    output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, [1, 1, 1])
    return network.serialised("cross-encoder", ["ids", "kinds"], [output])


def _classify(network: Network, weights: Weights, first: str) -> None:
    """BERT's pooler, and the classifier, in fp32: together they are one row."""
    for name in ("pooler.dense", "classifier"):
        network.constant(f"{name}.w", weights[f"{name}.weight"])
        network.constant(f"{name}.b", weights[f"{name}.bias"])
    pooled = network.node("MatMul", [first, "pooler.dense.w"], "pooled")
    active = network.node(
        "Tanh", [network.node("Add", [pooled, "pooler.dense.b"], "pooled.biased")], "active"
    )
    network.node("Add", [network.node("MatMul", [active, "classifier.w"], "scored"), "classifier.b"], "logit")
