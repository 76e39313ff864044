"""Stands in for Terraform's providers where none can be had: it knows their schemas, and makes nothing.

A provider is a program that speaks gRPC (plugin protocol 6). ``terraform init``, ``validate``, and ``test``
with ``mock_provider`` need its schema, and its word that a configuration is valid. So that is all there is
here: what the schema does not have Terraform refuses, and the rest is accepted. The messages are few enough
to be written by hand, after ``tfplugin6.proto`` of Terraform 1.11.

Terraform is told of a running provider by ``TF_REATTACH_PROVIDERS``, so nothing is installed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc

SERVICE = "/tfplugin6.Provider/"
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
VALIDATED = ("ValidateProviderConfig", "ValidateResourceConfig", "ValidateDataResourceConfig")


@contextmanager
def serve(schemas: list[Path], folder: Path) -> Iterator[str]:
    """Serves the providers of these files on sockets in ``folder``: the value of TF_REATTACH_PROVIDERS."""
    with ExitStack() as stack:
        found = {
            source: stack.enter_context(_provider(schema, folder / f"{index}-{path.stem}"))
            for path in schemas
            for index, (source, schema) in enumerate(json.loads(path.read_text())["provider_schemas"].items())
        }
        yield json.dumps(found)


@contextmanager
def _provider(schema: Mapping[str, Any], socket: Path) -> Iterator[Mapping[str, Any]]:
    """One provider, and how Terraform reaches it."""
    server = grpc.server(
        ThreadPoolExecutor(4), handlers=(_Provider(schema),), options=[("grpc.so_reuseport", 0)]
    )
    if not server.add_insecure_port(f"unix:{socket}"):
        raise OSError(f"cannot listen on {socket}")
    server.start()
    try:
        yield {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(socket)},
        }
    finally:
        server.stop(grace=None).wait()


class _Provider(grpc.GenericRpcHandler):
    """Answers in bytes: with the schema, or with an empty message, which says that all is well."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        empty = dict.fromkeys((*VALIDATED, "ConfigureProvider", "StopProvider"), b"")
        self._answers = {f"{SERVICE}{name}": answer for name, answer in empty.items()}
        self._answers[f"{SERVICE}GetProviderSchema"] = provider_schema(schema)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call; None is told to Terraform as not implemented."""
        if details.method not in self._answers:
            return None
        answer = self._answers[details.method]
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)


def provider_schema(schema: Mapping[str, Any]) -> bytes:
    """The message GetProviderSchema.Response."""
    parts = [_field(1, _schema(schema["provider"]))]
    for number, key in ((2, "resource_schemas"), (3, "data_source_schemas")):
        for name, each in schema.get(key, {}).items():
            parts.append(_field(number, _field(1, name.encode()) + _field(2, _schema(each))))
    return b"".join(parts)


def _schema(schema: Mapping[str, Any]) -> bytes:
    return _number(1, schema["version"]) + _field(2, _block(schema["block"]))


def _block(block: Mapping[str, Any]) -> bytes:
    attributes = (_field(2, _attribute(*each)) for each in block.get("attributes", {}).items())
    blocks = (_field(3, _nested(*each)) for each in block.get("block_types", {}).items())
    return b"".join([*attributes, *blocks])


def _attribute(name: str, attribute: Mapping[str, Any]) -> bytes:
    rights = enumerate(("required", "optional", "computed", "sensitive"), start=4)
    parts = [_number(number, int(attribute.get(right, False))) for number, right in rights]
    return b"".join([_field(1, name.encode()), _field(2, json.dumps(attribute["type"]).encode()), *parts])


def _nested(name: str, nested: Mapping[str, Any]) -> bytes:
    limits = [_number(4, nested.get("min_items", 0)), _number(5, nested.get("max_items", 0))]
    mode = _number(3, NESTING[nested["nesting_mode"]])
    return b"".join([_field(1, name.encode()), _field(2, _block(nested["block"])), mode, *limits])


def _field(number: int, value: bytes) -> bytes:
    """A field of bytes, text or a message, as Protocol Buffers encode it."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    """A field of a number or a truth; 0 is left out."""
    return _varint(number << 3) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])
