"""Terraform's own checks of deploy/terraform, with stand-ins for the clouds' providers.

No provider can be had where these tests run, so they prove references, types, required arguments and what is
planned; whether a cloud accepts it, only an apply shows.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.chaos.requirements import missing
from tests.deploy.terraformstub.bindings import SOURCES, named_in
from tests.deploy.terraformstub.server import serve

pytestmark = pytest.mark.timeout(900)

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY / "terraform"
SCHEMAS = Path(__file__).parent / "terraformstub" / "schemas"
CLOUDS = tuple(SOURCES)
FOLDERS = (*CLOUDS, "modules/sizes")

Terraform = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """Runs terraform with the stand-ins, and without anything of this machine's."""
    program = shutil.which("terraform") or missing("terraform")
    folder = tmp_path_factory.mktemp("terraform")
    (folder / "config").touch()
    with serve(sorted(SCHEMAS.glob("*.json")), folder) as providers:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": str(folder / "config"),
            "CHECKPOINT_DISABLE": "1",
            "TF_REATTACH_PROVIDERS": providers,
        }

        def run(where: Path, *command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [program, f"-chdir={where}", *command],
                env=environment,
                text=True,
                check=False,
                capture_output=True,
                timeout=600,
            )

        yield run


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of deploy/terraform, and the folder of a cloud in it: runs leave files beside what they read."""

    def copy(folder: str) -> Path:
        shutil.copytree(
            ROOT, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*")
        )
        return tmp_path / "terraform" / folder

    return copy


def test_every_file_has_terraforms_form(terraform: Terraform) -> None:
    formatted = terraform(ROOT, "fmt", "-check", "-recursive", "-diff")
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_valid_and_plans_what_its_tests_say(
    terraform: Terraform, copied: Callable[[str], Path], folder: str
) -> None:
    where = copied(folder)
    for command in (["init", "-backend=false", "-input=false"], ["validate"], ["test"]):
        done = terraform(where, *command, "-no-color")
        assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", done.stdout)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_example_sets_every_variable_that_has_no_default(
    terraform: Terraform, copied: Callable[[str], Path], cloud: str
) -> None:
    """Given the example in place of the tests' own values, when it is planned, then none is missing."""
    where = copied(cloud)
    (where / "tests" / "test.auto.tfvars").write_text((where / "terraform.tfvars.example").read_text())
    mock = f'mock_provider "{SOURCES[cloud]}" {{\n  source = "./tests/mocks"\n}}\n'
    (where / "tests" / "plan.tftest.hcl").write_text(f'{mock}run "plan" {{\n  command = plan\n}}\n')
    terraform(where, "init", "-backend=false", "-input=false")
    planned = terraform(where, "test", "-no-color", "-filter=tests/plan.tftest.hcl")
    assert planned.returncode == 0, planned.stdout + planned.stderr


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_example_of_a_backend_is_accepted(
    terraform: Terraform, copied: Callable[[str], Path], cloud: str
) -> None:
    where = copied(cloud)
    shutil.copy(where / "backend.tf.example", where / "backend.tf")
    terraform(where, "init", "-backend=false", "-input=false")
    validated = terraform(where, "validate", "-no-color")
    assert validated.returncode == 0, validated.stdout + validated.stderr


REFUSED = {
    'resource "aws_s3_bucket" "x" {\n  public = true\n}\n': 'argument named "public" is not expected',
    'resource "aws_iam_role_policy" "x" {\n  policy = "x"\n}\n': '"role" is required',
    'resource "aws_s3_bucket" "x" {\n  force_destroy = "maybe"\n}\n': "a bool is required",
    'output "x" {\n  value = aws_vpc.this.cidr\n}\n': 'exported attribute named "cidr"',
    'resource "aws_bucket" "x" {}\n': 'does not support resource type "aws_bucket"',
}
"""Configurations, and what is said of each."""


@pytest.mark.parametrize(("wrong", "refusal"), REFUSED.items(), ids=REFUSED.values())
def test_the_stand_in_refuses_what_the_provider_does_not_know(
    terraform: Terraform, copied: Callable[[str], Path], wrong: str, refusal: str
) -> None:
    where = copied("aws")
    (where / "wrong.tf").write_text(wrong)
    terraform(where, "init", "-backend=false", "-input=false")
    validated = terraform(where, "validate", "-json")
    words = " ".join(
        each["summary"] + " " + each["detail"] for each in json.loads(validated.stdout)["diagnostics"]
    )
    assert refusal in " ".join(words.split())


class Fault(NamedTuple):
    """What a file of a cloud says, and what is wrong in its place."""

    cloud: str
    file: str
    right: str
    wrong: str


EXPIRY = "base_blob {\n        delete_after_days_since_creation_greater_than = 30\n      }\n\n      version {"
PUBLIC = "public_network_access_enabled = true"
PRIVATE = "map_public_ip_on_launch = false"

FAULTS = (
    Fault("aws", "storage", "expired_object_delete_marker = true", "days = 30"),
    Fault("aws", "storage", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    Fault("aws", "identity", '"s3:DeleteObject",', '"s3:DeleteObject", "s3:DeleteObjectVersion",'),
    Fault("aws", "nodes", 'gpu     = { "nvidia.com/gpu" = "present" }', "gpu = {}"),
    Fault("aws", "network", PRIVATE, PRIVATE.replace("false", "true")),
    Fault("azure", "storage", "public_network_access_enabled     = false", PUBLIC),
    Fault("azure", "storage", "version {", EXPIRY),
    Fault("azure", "identity", "${local.blobs}/delete", "${local.blobs}/deleteBlobVersion/action"),
    Fault("gcp", "storage", 'with_state                 = "ARCHIVED"', 'with_state = "ANY"'),
    Fault("gcp", "storage", '    = "enforced"', '= "inherited"'),
    Fault("gcp", "nodes", 'gpu     = { "nvidia.com/gpu" = "present" }', "gpu = {}"),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.cloud}-{fault.file}-{fault.wrong[:30]}")
def test_a_fault_in_the_configuration_fails_its_tests(
    terraform: Terraform, copied: Callable[[str], Path], fault: Fault
) -> None:
    where = copied(fault.cloud)
    file = where / f"{fault.file}.tf"
    assert file.read_text().count(fault.right) == 1
    file.write_text(file.read_text().replace(fault.right, fault.wrong))
    terraform(where, "init", "-backend=false", "-input=false")
    tested = terraform(where, "test", "-no-color", f"-filter=tests/{fault.file}.tftest.hcl")
    assert re.search(r"Failure! \d+ passed, [1-9]\d* failed", tested.stdout), tested.stdout + tested.stderr


KNOWN = {
    "aws": {
        "region": "eu-north-1",
        "proxies": ["10.9.240.0/24", "10.9.241.0/24"],
        "certificate": "arn:aws:acm:eu-north-1:111122223333:certificate/0a1b",
        "blob_url": "s3://own-blobs/blobs",
        "backup_url": "s3://own-backups/backups",
    },
    "azure": {
        "pod_cidr": "10.99.0.0/16",
        "endpoints_cidr": "10.9.240.0/24",
        "vault_url": "https://own.vault.azure.net/",
        "client_ids": {
            "aegis-api": "11111111-aaaa-bbbb-cccc-000000000001",
            "aegis-worker": "11111111-aaaa-bbbb-cccc-000000000002",
            "aegis-backup": "11111111-aaaa-bbbb-cccc-000000000003",
            "aegis-secrets-reader": "11111111-aaaa-bbbb-cccc-000000000004",
        },
        "blob_url": "abfss://blobs@own.dfs.core.windows.net/blobs",
        "backup_url": "abfss://backups@own2.dfs.core.windows.net/backups",
    },
    "gcp": {
        "project": "own-project",
        "region": "europe-north1",
        "cluster": "own-cluster",
        "address": "own-address",
        "certificate_map": "own-map",
        "ssl_policy": "own-policy",
        "blob_url": "gs://own-blobs/blobs",
        "backup_url": "gs://own-backups/backups",
    },
}
"""What each cloud's kustomization.yaml is made from, beside the images and the domain."""

PLACEHOLDERS = ("company", "CHANGE-ME", "00000000-0000", "123456789012")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_terraform_knows_replaces_every_placeholder_of_the_overlay(
    terraform: Terraform, tmp_path: Path, cloud: str
) -> None:
    known = {"images": "ghcr.io/own/aegis-rag", "domain": "aegis.own.example", **KNOWN[cloud]}
    known["cors_origins"] = ["https://app.own.example"]
    overlay = shutil.copytree(DEPLOY / "k8s", tmp_path / "k8s") / "overlays" / "own"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(_rendered(terraform, tmp_path, cloud, known))

    objects = "\n---\n".join(map(json.dumps, _built(overlay)))

    assert not [each for each in PLACEHOLDERS if each in objects]
    assert all(value in objects for value in _texts(known))


def _rendered(terraform: Terraform, folder: Path, cloud: str, known: dict[str, object]) -> str:
    """The template of that cloud, by Terraform itself."""
    template, values = ROOT / cloud / "kustomization.yaml.tftpl", json.dumps(known)
    (folder / "main.tf").write_text(
        f'output "text" {{\n  value = templatefile("{template}", jsondecode({json.dumps(values)}))\n}}\n'
    )
    applied = terraform(folder, "apply", "-auto-approve", "-no-color")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    return terraform(folder, "output", "-raw", "text").stdout


def _built(overlay: Path) -> list[object]:
    program = Path(sys.executable).with_name("kubectl")
    if not program.exists():
        missing("kubectl: make deployment-tools")
    built = subprocess.run(
        [program, "kustomize", str(overlay)], check=False, capture_output=True, text=True, timeout=600
    )
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def _texts(known: object) -> Iterator[str]:
    """All texts in a value of JSON, but for the names of its members."""
    if isinstance(known, str):
        yield known
    elif isinstance(known, dict | list):
        for each in known.values() if isinstance(known, dict) else known:
            yield from _texts(each)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_schema_has_what_is_used_and_no_more(cloud: str) -> None:
    (provider,) = json.loads((SCHEMAS / f"{cloud}.json").read_text())["provider_schemas"].values()
    named = named_in(ROOT / cloud)
    assert set(provider["resource_schemas"]) == named["resource"]
    assert set(provider["data_source_schemas"]) == named["data"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_versions_of_terraform_and_of_the_provider_are_bounded(cloud: str) -> None:
    versions = (ROOT / cloud / "versions.tf").read_text()
    assert re.search(r'required_version = ">= [\d.]+, < [\d.]+"', versions)
    assert re.search(r'version = "(~> [\d.]+|>= [\d.]+, < [\d.]+)"', versions)


def test_the_secrets_are_those_that_kubernetes_takes() -> None:
    example = yaml.safe_load((DEPLOY / "k8s/components/external-secrets/example.yaml").read_text())
    made = subprocess.run(
        [ROOT / "secrets.sh"],
        env={"PATH": os.environ["PATH"], "JINA_API_KEY": "given"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    secrets = json.loads(made.stdout)

    assert secrets.keys() == {name for name in example["stringData"] if not name.startswith("aws-")}
    assert secrets["jina-api-key"] == "given"
    assert secrets["redis-password"] in secrets["redis-url"]
    assert all(json.loads(secrets["api-keys"]).values())


def test_each_exception_of_the_scan_says_why() -> None:
    text = "\n".join(path.read_text() for path in sorted(ROOT.rglob("*.tf")))
    exceptions = re.findall(r"checkov:skip=(\w+)(.*)", text)
    assert exceptions
    assert [name for name, reason in exceptions if not re.fullmatch(r":.{15,}\.", reason)] == []
