"""MiniLM as an ONNX graph for onnxruntime's CPU kernels, made straight from the weights.

One text a run: no batch, no padding, no attention mask. Input ``ids`` is (1, s) int64 with
[CLS] and [SEP]; outputs are ``dense`` (1, 384) float32, the normalised mean over all
tokens as the model card asks, and ``tokens`` (1, s - 2, k) float16, the last layer's states of
the text's own tokens, projected and normalised.

The int8 form holds linear layers and word embeddings in int8 with a scale a column (a row for
the embeddings) and quantises activations as they come. Weights use 7 of the 8 bits: kernels
without VNNI add pairs of products in 16 bits, which full-range weights overflow silently
(cosine to fp32 down from .988 to .977 at worst), and so every processor sums the same integers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from rag.model import Vector
from workers.embedding.minilm import DIMENSION, HEADS, LAYER_NORM_EPSILON, LAYERS
from workers.embedding.weights import Weights

INT8_LEVELS = 63

_ONNX_OPSET = 18
_IR_VERSION = 10
_CONTRIB = "com.microsoft"


def minilm_graph(weights: Weights, projection: Vector, *, int8: bool) -> bytes:
    """The serialised ONNX model; ``projection`` is (384, k) float32."""
    network = _Network(weights, int8=int8)
    states = network.embeddings()
    for layer in range(LAYERS):
        states = network.layer(states, layer)
    network.outputs(states, projection)
    return network.serialised(projection.shape[1])


def quantised(matrix: Vector, levels: int, axis: int) -> tuple[NDArray[np.int8], Vector]:
    """Symmetric int8 values in ±``levels`` and their scales, one for each slice along ``axis``."""
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(levels)
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class _Network:
    """Collects nodes and constants; every method takes and returns names of values."""

    def __init__(self, weights: Weights, *, int8: bool) -> None:
        self._weights = weights
        self._int8 = int8
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._constant("first", np.array([0]))
        self._constant("second", np.array([1]))
        self._constant("last", np.array([-1]))

    def embeddings(self) -> str:
        """Word, position and type embeddings, summed and normalised."""
        pre = "embeddings"
        places = self._weights[f"{pre}.position_embeddings.weight"]
        kind = self._weights[f"{pre}.token_type_embeddings.weight"][0]
        self._constant("positions", places + kind)
        length = self._node("Shape", ["ids"], "length", start=1)
        seen = self._node("Slice", ["positions", "first", length, "first"], "positions.seen")
        total = self._node("Add", [self._words(), seen], "embedded")
        return self._layer_norm(total, f"{pre}.LayerNorm")

    def _words(self) -> str:
        words = self._weights["embeddings.word_embeddings.weight"]
        if not self._int8:
            self._constant("words", words)
            return self._node("Gather", ["words", "ids"], "words.seen")
        values, scales = quantised(words, 127, axis=1)
        self._constant("words", values)
        self._constant("words.scale", scales)
        rows = self._node("Gather", ["words", "ids"], "words.int8")
        floats = self._node("Cast", [rows], "words.float", to=TensorProto.FLOAT)
        scale = self._node("Gather", ["words.scale", "ids"], "words.scale.seen")
        return self._node("Mul", [floats, scale], "words.seen")

    def layer(self, states: str, index: int) -> str:
        """One transformer block, normalising after each residual sum as BERT does."""
        pre = f"encoder.layer.{index}"
        parts = [f"{pre}.attention.self.{part}" for part in ("query", "key", "value")]
        split = [f"{pre}.attention.{part}" for part in "qkv"]
        projected = self._linear(states, parts)
        self._nodes.append(helper.make_node("Split", [projected], split, axis=2, num_outputs=3))
        heads = f"{pre}.attention.heads"
        mixed = self._node("MultiHeadAttention", split, heads, domain=_CONTRIB, num_heads=HEADS)
        out = self._linear(mixed, [f"{pre}.attention.output.dense"])
        total = self._node("Add", [out, states], f"{pre}.attention.sum")
        attended = self._layer_norm(total, f"{pre}.attention.output.LayerNorm")
        widened = self._linear(attended, [f"{pre}.intermediate.dense"], bias=False)
        bias = self._constant(f"{pre}.gelu.bias", self._weights[f"{pre}.intermediate.dense.bias"])
        active = self._node("BiasGelu", [widened, bias], f"{pre}.gelu", domain=_CONTRIB)
        narrowed = self._linear(active, [f"{pre}.output.dense"])
        total = self._node("Add", [narrowed, attended], f"{pre}.sum")
        return self._layer_norm(total, f"{pre}.output.LayerNorm")

    def outputs(self, states: str, projection: Vector) -> None:
        mean = self._node("ReduceMean", [states, "second"], "mean", keepdims=0)
        self._node("LpNormalization", [mean], "dense", axis=1, p=2)
        own = self._node("Slice", [states, "second", "last", "second"], "own")
        self._constant("projection", projection)
        projected = self._node("MatMul", [own, "projection"], "projected")
        unit = self._node("LpNormalization", [projected], "unit", axis=2, p=2)
        self._node("Cast", [unit], "tokens", to=TensorProto.FLOAT16)

    def serialised(self, token_dimension: int) -> bytes:
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "s"])
        dense = helper.make_tensor_value_info("dense", TensorProto.FLOAT, [1, DIMENSION])
        tokens = helper.make_tensor_value_info("tokens", TensorProto.FLOAT16, [1, "t", token_dimension])
        graph = helper.make_graph(self._nodes, "minilm", [ids], [dense, tokens], self._constants)
        opsets = [helper.make_opsetid("", _ONNX_OPSET), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        serialised: bytes = model.SerializeToString(deterministic=True)
        return serialised

    def _linear(self, states: str, layers: Sequence[str], *, bias: bool = True) -> str:
        """One or several linear layers side by side, as one matrix product."""
        name = layers[0]
        matrix = np.concatenate([self._weights[f"{layer}.weight"] for layer in layers]).T
        offset = np.concatenate([self._weights[f"{layer}.bias"] for layer in layers])
        if not self._int8:
            product = self._node("MatMul", [states, self._constant(f"{name}.w", matrix)], name)
            if not bias:
                return product
            return self._node("Add", [product, self._constant(f"{name}.b", offset)], f"{name}.biased")
        values, scales = quantised(matrix, INT8_LEVELS, axis=0)
        inputs = [
            states,
            self._constant(f"{name}.w", values),
            self._constant(f"{name}.scale", scales[0]),
            self._constant(f"{name}.zero", np.zeros(len(scales[0]), np.int8)),
        ]
        if bias:
            inputs.append(self._constant(f"{name}.b", offset))
        return self._node("DynamicQuantizeMatMul", inputs, name, domain=_CONTRIB)

    def _layer_norm(self, states: str, pre: str) -> str:
        # LayerNormalization after a plain Add takes 3 % of the whole network's time. The fused
        # SkipLayerNormalization runs scalar code on CPUs and took 12 %.
        gain = self._constant(f"{pre}.gain", self._weights[f"{pre}.weight"])
        bias = self._constant(f"{pre}.shift", self._weights[f"{pre}.bias"])
        return self._node(
            "LayerNormalization", [states, gain, bias], pre, axis=-1, epsilon=LAYER_NORM_EPSILON
        )

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output
