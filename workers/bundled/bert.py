"""BERT as an ONNX graph for onnxruntime's CPU kernels, made straight from a model's weights.

One text, or one pair of texts, a run: no batch, no padding, no attention mask. Input ``ids`` is (1, s) int64
with [CLS] and [SEP]; a graph of pairs has ``kinds`` too, 0 for tokens of the first text and 1 for the second.

The int8 form holds linear layers and word embeddings in int8 with a scale a column (a row for
the embeddings) and quantises activations as they come. Weights use 7 of the 8 bits: kernels
without VNNI add pairs of products in 16 bits, which full-range weights overflow silently
(MiniLM's cosine to fp32 down from .988 to .977 at worst), and so every processor sums the same integers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from rag.model import Vector
from workers.bundled.wheels import Weights

HEADS = 12
LAYER_NORM_EPSILON = 1e-12
INT8_LEVELS = 63

_ONNX_OPSET = 18
_IR_VERSION = 10
_CONTRIB = "com.microsoft"


def quantised(matrix: Vector, levels: int, axis: int) -> tuple[NDArray[np.int8], Vector]:
    """Symmetric int8 values in ±``levels`` and their scales, one for each slice along ``axis``."""
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(levels)
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class Network:
    """Collects nodes and constants; every method takes and returns names of values.

    The weights are named as in BERT's own files, without a prefix.
    """

    def __init__(self, weights: Weights, *, int8: bool) -> None:
        self._weights = weights
        self._int8 = int8
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self.constant("first", np.array([0]))
        self.constant("second", np.array([1]))
        self.constant("last", np.array([-1]))

    def embeddings(self, *, pairs: bool = False) -> str:
        """Word, position and type embeddings, summed and normalised. ``pairs``: types are in ``kinds``."""
        pre = "embeddings"
        places = self._weights[f"{pre}.position_embeddings.weight"]
        kinds = self._weights[f"{pre}.token_type_embeddings.weight"]
        self.constant("positions", places if pairs else places + kinds[0])
        length = self.node("Shape", ["ids"], "length", start=1)
        seen = self.node("Slice", ["positions", "first", length, "first"], "positions.seen")
        total = self.node("Add", [self._words(), seen], "embedded")
        if pairs:
            kind = self.node("Gather", [self.constant("types", kinds), "kinds"], "types.seen")
            total = self.node("Add", [total, kind], "embedded.typed")
        return self._layer_norm(total, f"{pre}.LayerNorm")

    def _words(self) -> str:
        words = self._weights["embeddings.word_embeddings.weight"]
        if not self._int8:
            self.constant("words", words)
            return self.node("Gather", ["words", "ids"], "words.seen")
        values, scales = quantised(words, 127, axis=1)
        self.constant("words", values)
        self.constant("words.scale", scales)
        rows = self.node("Gather", ["words", "ids"], "words.int8")
        floats = self.node("Cast", [rows], "words.float", to=TensorProto.FLOAT)
        scale = self.node("Gather", ["words.scale", "ids"], "words.scale.seen")
        return self.node("Mul", [floats, scale], "words.seen")

    def layer(self, states: str, index: int) -> str:
        """One transformer block, normalising after each residual sum as BERT does."""
        pre = f"encoder.layer.{index}"
        projected = self._linear(
            states, [f"{pre}.attention.self.{part}" for part in ("query", "key", "value")]
        )
        split = self._split(projected, [f"{pre}.attention.{part}" for part in "qkv"])
        return self._block(states, split, pre)

    def last_layer(self, states: str, index: int) -> str:
        """The block's output for the first token alone: (1, 1, width)."""
        pre = f"encoder.layer.{index}"
        first = self.node("Slice", [states, "first", "second", "second"], f"{pre}.first")
        query = self._linear(first, [f"{pre}.attention.self.query"])
        projected = self._linear(states, [f"{pre}.attention.self.{part}" for part in ("key", "value")])
        split = self._split(projected, [f"{pre}.attention.{part}" for part in "kv"])
        return self._block(first, [query, *split], pre)

    def _split(self, projected: str, parts: list[str]) -> list[str]:
        self._nodes.append(helper.make_node("Split", [projected], parts, axis=2, num_outputs=len(parts)))
        return parts

    def _block(self, states: str, attention: list[str], pre: str) -> str:
        """``attention``: query, key and value; ``states``: what the query was made of."""
        heads = f"{pre}.attention.heads"
        mixed = self.node("MultiHeadAttention", attention, heads, domain=_CONTRIB, num_heads=HEADS)
        out = self._linear(mixed, [f"{pre}.attention.output.dense"])
        total = self.node("Add", [out, states], f"{pre}.attention.sum")
        attended = self._layer_norm(total, f"{pre}.attention.output.LayerNorm")
        widened = self._linear(attended, [f"{pre}.intermediate.dense"], bias=False)
        bias = self.constant(f"{pre}.gelu.bias", self._weights[f"{pre}.intermediate.dense.bias"])
        active = self.node("BiasGelu", [widened, bias], f"{pre}.gelu", domain=_CONTRIB)
        narrowed = self._linear(active, [f"{pre}.output.dense"])
        total = self.node("Add", [narrowed, attended], f"{pre}.sum")
        return self._layer_norm(total, f"{pre}.output.LayerNorm")

    def serialised(self, name: str, inputs: Sequence[str], outputs: Sequence[ValueInfoProto]) -> bytes:
        """The ONNX model; each input is (1, s) int64."""
        given = [helper.make_tensor_value_info(each, TensorProto.INT64, [1, "s"]) for each in inputs]
        graph = helper.make_graph(self._nodes, name, given, outputs, self._constants)
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
            product = self.node("MatMul", [states, self.constant(f"{name}.w", matrix)], name)
            if not bias:
                return product
            return self.node("Add", [product, self.constant(f"{name}.b", offset)], f"{name}.biased")
        values, scales = quantised(matrix, INT8_LEVELS, axis=0)
        inputs = [
            states,
            self.constant(f"{name}.w", values),
            self.constant(f"{name}.scale", scales[0]),
            self.constant(f"{name}.zero", np.zeros(len(scales[0]), np.int8)),
        ]
        if bias:
            inputs.append(self.constant(f"{name}.b", offset))
        return self.node("DynamicQuantizeMatMul", inputs, name, domain=_CONTRIB)

    def _layer_norm(self, states: str, pre: str) -> str:
        # LayerNormalization after a plain Add takes 3 % of the whole network's time. The fused
        # SkipLayerNormalization runs scalar code on CPUs and took 12 %.
        gain = self.constant(f"{pre}.gain", self._weights[f"{pre}.weight"])
        bias = self.constant(f"{pre}.shift", self._weights[f"{pre}.bias"])
        return self.node("LayerNormalization", [states, gain, bias], pre, axis=-1, epsilon=LAYER_NORM_EPSILON)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output
