"""The cross-encoder's weights, out of the graph that was released.

That graph holds linear layers and embeddings in int8 with one scale a matrix, and names its linear layers
only in the nodes that use them.
"""

from pathlib import Path

import numpy as np
from onnx import ModelProto, load_from_string, numpy_helper

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.models import CROSS_ENCODER, ONNX
from workers.bundled.wheels import Weights, require_released

_QUANTISED = "_quantized"
_PREFIX = "bert."
_SUFFIX = "/MatMul_quant"


def read_weights(graph: Path) -> Weights:
    """The weights as float32 by BERT's own names. ModelError unless they are those that were released."""
    try:
        data = graph.read_bytes()
    except OSError as error:
        reinstall = f"reinstall {CROSS_ENCODER.wheel.distribution}"
        raise ModelError(f"{graph} is broken ({error}): {reinstall}") from error
    require_released(CROSS_ENCODER, ONNX, data, graph)
    model = load_from_string(data)
    tensors = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    plain = {name: tensors[name] for name in tensors if tensors[name].dtype == np.float32}
    plain |= {
        name.removesuffix(_QUANTISED): _dequantised(tensors, name)
        for name in tensors
        if name.endswith(_QUANTISED)
    }
    named = {**plain, **_linear_layers(model, plain)}
    return {name.removeprefix(_PREFIX): values for name, values in named.items()}


def _dequantised(tensors: dict[str, Vector], name: str) -> Vector:
    base = name.removesuffix(_QUANTISED)
    steps = tensors[name].astype(np.float32) - tensors[f"{base}_zero_point"].astype(np.float32)
    values: Vector = steps * tensors[f"{base}_scale"]
    return values


def _linear_layers(model: ModelProto, plain: Weights) -> Weights:
    """The matrices that have only numbers for names, by the path of the node that multiplies with each."""
    matrices = {}
    for node in model.graph.node:
        if node.op_type == "MatMulInteger" and node.name.endswith(_SUFFIX):
            layer = node.name.removesuffix(_SUFFIX).strip("/").replace("/", ".")
            matrices[f"{layer}.weight"] = plain[node.input[1].removesuffix(_QUANTISED)].T
    return matrices
