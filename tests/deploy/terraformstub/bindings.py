"""Schemas of Terraform providers, read from the bindings that CDK for Terraform generated from the providers.

    npm pack @cdktf/provider-aws@21.22.1 && tar xzf cdktf-provider-aws-21.22.1.tgz
    python -m tests.deploy.terraformstub.bindings package aws

writes ``schemas/aws.json`` with every resource and data source that ``deploy/terraform/aws`` names, in the
form of ``terraform providers schema -json``. Where a provider can be had, its own output takes the place of
this file. ``checked_against`` says which version of the provider it is of: azurerm is that of
@cdktf/provider-azurerm 14.23.1, google that of @cdktf/provider-google 16.12.1.

The bindings say of an attribute its type and whether it must be set, not whether the provider fills in one
that is left out. So each attribute that need not be set counts as one that may be filled in.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SCHEMAS = Path(__file__).parent / "schemas"

PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool"}
GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getStringMapAttribute": ["map", "string"],
}
WRITTEN = re.compile(
    r"^ {8,12}(\w+): \{\s*value: ([^\n]*),\s*isBlock: (true|false),\s*"
    r'type: "(\w+)",\s*storageClassType: "(\w+)",\s*\}',
    re.MULTILINE,
)
READ = re.compile(r"(?:return (?:cdktf\.Fn\.tolist\()?this\.(get\w+Attribute)\(['\"](\w+)['\"]\))")
NESTED = re.compile(r"this\._\w+ = new (\w+)\(this, ['\"](\w+)['\"]")


@dataclass(frozen=True)
class Bindings:
    """The generated source of one resource: its JavaScript and its declarations."""

    code: str
    declarations: str

    @classmethod
    def of(cls, folder: Path) -> "Bindings":
        """Of a folder; the blocks of large resources lie in files of their own below it."""
        code, declarations = (
            "\n".join(map(Path.read_text, sorted(folder.rglob(end)))) for end in ("*.js", "*.d.ts")
        )
        return cls(code, declarations)

    def schema(self) -> dict[str, Any]:
        """The resource's schema. Raises ValueError when the source has another form than is known."""
        written = re.search(
            r"synthesizeHclAttributes\(\) \{\s*const attrs = \{(.*?)\n        \};", self.code, re.S
        )
        interface = re.search(
            r"export interface (\w+) extends cdktf\.TerraformMetaArguments", self.declarations
        )
        resource = re.search(r"^class (\w+) extends cdktf\.Terraform\w+ \{", self.code, re.M)
        if resource is None:
            raise ValueError("no resource is in this source")
        name = interface[1] if interface else f"{resource[1]}Config"
        return {"version": 0, "block": self._block(written[1] if written else "", name, resource[1])}

    def _block(self, written: str, interface: str, reader: str) -> dict[str, Any]:
        required = self._required(interface)
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for name, value, is_block, mode, kind in WRITTEN.findall(written):
            function = re.search(r"(?<!cdktf\.)\b(\w+)ToHclTerraform", value)
            if is_block == "true" and function:
                blocks[name] = self._nested(function[1], mode, name in required, "Mapper" not in value)
            else:
                rights = {"required": True} if name in required else {"optional": True, "computed": True}
                attributes[name] = {"type": _type(mode, kind), **rights}
        for name, kind in self._read(reader).items():
            if name not in attributes and name not in blocks:
                attributes[name] = {"type": kind, "computed": True}
        return {"attributes": dict(sorted(attributes.items())), "block_types": dict(sorted(blocks.items()))}

    def _nested(self, function: str, mode: str, required: bool, single: bool) -> dict[str, Any]:
        name = function[0].upper() + function[1:]
        found = re.search(
            rf"function {function}ToHclTerraform\(struct\) \{{.*?const attrs = \{{(.*?)\n    \}};",
            self.code,
            re.S,
        )
        block = self._block(found[1] if found else "", name, f"{name}OutputReference")
        nesting = {"struct": "single"}.get(mode, mode)
        limits = {"min_items": int(required), "max_items": int(single)} if nesting in ("list", "set") else {}
        return {
            "nesting_mode": nesting,
            "block": block,
            **{key: value for key, value in limits.items() if value},
        }

    def _required(self, interface: str) -> set[str]:
        """Names of what must be set. An interface of blocks that are read alone is not declared."""
        found = re.search(
            rf"export interface {interface}\b[^{{]*\{{(.*?)\n\}}", self.declarations, re.S | re.I
        )
        if found is None:
            return set()
        documented = r"#(\w+)\}\n(?:(?!\s*\*/)[^\n]*\n)*\s*\*/\s*readonly \w+(\??):"
        return {name for name, optional in re.findall(documented, found[1]) if not optional}

    def _read(self, reader: str) -> dict[str, Any]:
        """What can be read of an object, by name: computed lists of objects too."""
        found = re.search(rf"^class {reader} extends .*?^\}}", self.code, re.S | re.M)
        if found is None:
            return {}
        kinds = {name: GETTERS[getter] for getter, name in READ.findall(found[0]) if getter in GETTERS}
        for kind, name in NESTED.findall(found[0]):
            if kind == "cdktf.StringMap":
                kinds[name] = ["map", "string"]
            elif kind.endswith("List"):
                kinds[name] = ["list", ["object", self._read(f"{kind.removesuffix('List')}OutputReference")]]
        return kinds


def _type(mode: str, kind: str) -> Any:
    base = PRIMITIVES.get(re.sub(r"(List|Map)+$", "", kind))
    if base is None or len(re.findall(r"List|Map", kind)) > 1:
        return "dynamic"
    return base if mode == "simple" else [mode, base]


def named_in(folder: Path) -> Mapping[str, set[str]]:
    """The types that a folder's configuration declares: under ``resource`` and ``data``."""
    text = "\n".join(path.read_text() for path in sorted(folder.rglob("*.tf")))
    found = re.findall(r'^(resource|data) "(\w+)"', text, re.MULTILINE)
    return {kind: {name for key, name in found if key == kind} for kind in ("resource", "data")}


def _folders(library: Path) -> Iterator[tuple[str, Path]]:
    """Each resource's type, with ``data.`` before that of a data source, and the folder of its bindings."""
    for source in library.glob("*/index.js"):
        if found := re.search(r'\.tfResourceType = "(\w+)"', source.read_text()):
            yield ("data." if source.parent.name.startswith("data-") else "") + found[1], source.parent


def schemas(package: Path, provider: str) -> dict[str, Any]:
    """What ``terraform providers schema -json`` would say, of the types that the provider's folder uses."""
    library, named = package / "lib", named_in(ROOT / "deploy" / "terraform" / provider)
    prefix = f"{SOURCES[provider]}_"
    wanted = {name for name in named["resource"] if name.startswith(prefix)}
    wanted |= {f"data.{name}" for name in named["data"] if name.startswith(prefix)}
    folders = {name: folder for name, folder in _folders(library) if name in wanted}
    if missing := wanted - folders.keys():
        raise ValueError(f"the bindings do not have {', '.join(sorted(missing))}")
    found = {name: Bindings.of(folder).schema() for name, folder in sorted(folders.items())}
    version = re.search(r"providerVersion: '([\d.]+)'", (library / "provider" / "index.js").read_text())
    return {
        "format_version": "1.0",
        "checked_against": f"hashicorp/{SOURCES[provider]} {version[1] if version else 'unknown'}",
        "provider_schemas": {
            f"registry.terraform.io/hashicorp/{SOURCES[provider]}": {
                "provider": Bindings.of(library / "provider").schema(),
                "resource_schemas": {name: each for name, each in found.items() if "." not in name},
                "data_source_schemas": {
                    name.removeprefix("data."): each for name, each in found.items() if "." in name
                },
            }
        },
    }


SOURCES = {"aws": "aws", "azure": "azurerm", "gcp": "google"}
"""The provider of each folder of deploy/terraform."""


def main(package: str, cloud: str) -> None:
    SCHEMAS.mkdir(exist_ok=True)
    target = SCHEMAS / f"{cloud}.json"
    text = json.dumps(schemas(Path(package), cloud), separators=(",", ":"), sort_keys=True)
    target.write_text(
        re.sub(r'("\w+":\{"block":)', r"\n\1", text) + "\n"
    )  # a line each, for those who compare


if __name__ == "__main__":
    main(*sys.argv[1:])
