"""A kubectl for tests of scripts: its cluster is a JSON file, ``$FAKE_CLUSTER``.

The file holds ``objects`` (``KIND/NAME`` to an object in Kubernetes' own form), ``calls`` (what changed
something), ``broken`` (images that never become ready), ``failing`` (images that answer with 5xx once
traffic reaches them), ``slow`` (words of calls that are answered late, after they took effect),
``refused`` (names that the server does not admit), ``history`` (the former pods of a Deployment),
``stolen`` (a colour that somebody else switches to just before the next patch) and ``requests``, the count
of requests that each colour's pods have had.
"""

import fcntl
import json
import os
import re
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLUSTER = Path(os.environ["FAKE_CLUSTER"])
Object = dict[str, Any]


REVISION = "deployment.kubernetes.io/revision"
NOT_AS_TESTED = "The request is invalid: the server rejected our request due to an error in our request"


class RefusedError(Exception):
    """An error of the API server, in kubectl's words."""


@contextmanager
def open_cluster() -> Iterator[Object]:
    """The cluster, which no other call changes meanwhile."""
    with CLUSTER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = json.loads(CLUSTER.read_text())
        try:
            yield cluster
        finally:
            fresh = CLUSTER.with_suffix(".new")
            fresh.write_text(json.dumps(cluster, indent=1))
            fresh.replace(CLUSTER)


def main(arguments: list[str]) -> int:
    options, words, raw = read_arguments(arguments)
    try:
        with open_cluster() as cluster:
            answer = VERBS[words[0]](cluster, words[1:], options)
            if words[0] not in {"get", "kustomize", "logs", "rollout", "wait"}:
                cluster["calls"].append(raw)
            slow = any(word in raw for word in cluster["slow"])
            cluster["waiting"] = raw if slow else ""
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if slow:
        time.sleep(120)
    sys.stdout.write(answer)
    return 0


FLAGS = {"--prefix", "--overwrite", "--ignore-not-found"}


def read_arguments(arguments: list[str]) -> tuple[dict[str, str], list[str], str]:
    """Options by name, the other words, and the whole as one line without what every call has."""
    options: dict[str, str] = {}
    words, kept, rest = [], [], iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if not argument.startswith("--"):
            words.append(argument)
            kept.append(argument)
            continue
        options[name] = "true" if name in FLAGS else value or next(rest)
        if name not in {"--namespace", "--request-timeout"}:
            kept += [name, options[name]]
    return options, words, " ".join(kept)


def find(cluster: Object, kind: str, name: str) -> Object:
    try:
        return cluster["objects"][f"{kind}/{name}"]
    except KeyError:
        raise RefusedError(f'Error from server (NotFound): {kind}s "{name}" not found') from None


def get(cluster: Object, words: list[str], options: dict[str, str]) -> str:
    if path := options.get("--raw"):
        if "--request-timeout" in options:  # the API is asked for PATH?timeout=…
            raise RefusedError("Error from server: this parameter is not known: timeout")
        return read_through_proxy(cluster, path)
    template = options.get("--output", "jsonpath=").partition("=")[2]
    if words[0] == "namespace":
        return ""
    if len(words) == 2:
        if "--ignore-not-found" in options and "/".join(words) not in cluster["objects"]:
            return ""
        return fill(template, find(cluster, *words))
    items = (pods if words[0] == "pods" else deployments)(cluster)
    wanted = dict(pair.split("=") for pair in options.get("--selector", "").split(",") if pair)
    chosen = [item for item in items if wanted.items() <= item["metadata"]["labels"].items()]
    return fill(template, {"items": chosen})


def deployments(cluster: Object) -> list[Object]:
    return [thing for name, thing in sorted(cluster["objects"].items()) if name.startswith("deployment/")]


def image_of(deployment: Object) -> str:
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def pods(cluster: Object) -> list[Object]:
    return [
        pod(deployment, number, ready=image_of(deployment) not in cluster["broken"])
        for deployment in deployments(cluster)
        for number in range(deployment["spec"]["replicas"])
    ]


def pod(deployment: Object, number: int, *, ready: bool) -> Object:
    about = deployment["metadata"]
    return {
        "metadata": {"name": f"{about['name']}-{number}", "labels": about["labels"]},
        "status": {"containerStatuses": [{"restartCount": 0, "ready": ready}]},
        "image": image_of(deployment),
    }


def read_through_proxy(cluster: Object, path: str) -> str:
    match = re.fullmatch(r"/api/v1/namespaces/aegis-rag/(pods|services)/([a-z0-9-]+):8910/proxy(/.*)", path)
    if match is None:
        raise RefusedError(f"Error from server (NotFound): no such path: {path}")
    kind, name, route = match.groups()
    if kind == "services":
        color = find(cluster, "service", name)["spec"]["selector"]["aegis-rag/color"]
        behind = [pod for pod in pods(cluster) if pod["metadata"]["labels"].get("aegis-rag/color") == color]
    else:
        behind = [pod for pod in pods(cluster) if pod["metadata"]["name"] == name]
    if not behind or behind[0]["image"] in cluster["broken"]:
        raise RefusedError("Error from server (ServiceUnavailable): no endpoints available")
    return read_metrics(cluster, behind[0]) if route == "/metrics" else '{"status":"ready"}'


def read_metrics(cluster: Object, pod: Object) -> str:
    """Every look finds 50 requests more, if traffic goes to the pod's colour."""
    color = pod["metadata"]["labels"]["aegis-rag/color"]
    serving = find(cluster, "service", "aegis-api-active")["spec"]["selector"]["aegis-rag/color"]
    cluster["requests"][color] += 50 * (color == serving)
    count = cluster["requests"][color]
    status = 500 if pod["image"] in cluster["failing"] else 200
    line = 'http_requests_total{{handler="{}",method="GET",status="{}"}} {}\n'
    return line.format("/health/ready", 503, 7.0) + line.format("/v1/jobs/{job_id}", status, float(count))


def create(cluster: Object, words: list[str], options: dict[str, str]) -> str:
    if words and words[0] == "job":
        find(cluster, "cronjob", options["--from"].removeprefix("cronjob/"))
        cluster["objects"][f"job/{words[1]}"] = {}
        return f"job.batch/{words[1]} created\n"
    thing = json.load(sys.stdin)
    name = f"{thing['kind'].lower()}/{thing['metadata']['name']}"
    if name in cluster["objects"]:
        raise RefusedError(f"Error from server (AlreadyExists): {name} already exists")
    cluster["objects"][name] = thing
    return f"{name} created\n"


def delete(cluster: Object, words: list[str], _: dict[str, str]) -> str:
    find(cluster, *words)
    del cluster["objects"]["/".join(words)]
    return f"{words[0]} deleted\n"


def set_(cluster: Object, words: list[str], _: dict[str, str]) -> str:
    container, _, image = words[2].partition("=")
    for each in find(cluster, *words[1].split("/"))["spec"]["template"]["spec"]["containers"]:
        if each["name"] == container:
            each["image"] = image
            return "image updated\n"
    raise RefusedError(f'error: unable to find container named "{container}"')


def scale(cluster: Object, words: list[str], options: dict[str, str]) -> str:
    find(cluster, *words[0].split("/"))["spec"]["replicas"] = int(options["--replicas"])
    return "scaled\n"


def annotate(cluster: Object, words: list[str], _: dict[str, str]) -> str:
    name, _, value = words[1].partition("=")
    annotations = find(cluster, *words[0].split("/"))["metadata"].setdefault("annotations", {})
    if value:
        annotations[name] = value
    else:
        annotations.pop(name.removesuffix("-"), None)
    return "annotated\n"


def rollout(cluster: Object, words: list[str], options: dict[str, str]) -> str:
    deployment = find(cluster, *words[1].lower().split("/"))
    if words[0] == "undo":
        deployment["spec"]["template"] = cluster["history"][words[1].lower()]
        number_revision(deployment)
        cluster["calls"].append(f"rollout undo {words[1]}")
        return "rolled back\n"
    if image_of(deployment) in cluster["broken"] and deployment["spec"]["replicas"]:
        raise RefusedError("error: timed out waiting for the condition")
    deployment["status"]["readyReplicas"] = deployment["spec"]["replicas"]
    return "successfully rolled out\n"


def kustomize(_: Object, words: list[str], __: dict[str, str]) -> str:
    command = [os.environ["REAL_KUBECTL"], "kustomize", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def apply(cluster: Object, _: list[str], options: dict[str, str]) -> str:
    """Objects of a file; a Deployment whose pods change gets another revision."""
    site.main()  # the other calls are many, and start without packages
    import yaml  # noqa: PLC0415

    objects = [thing for thing in yaml.safe_load_all(Path(options["--filename"]).read_text()) if thing]
    for thing in objects:
        if thing["metadata"]["name"] in cluster.get("refused", []):
            raise RefusedError("Error from server (Forbidden): violates PodSecurity")
    if "--dry-run" not in options:
        for thing in objects:
            store(cluster, f"{thing['kind'].lower()}/{thing['metadata']['name']}", thing)
    return "configured\n"


def store(cluster: Object, name: str, thing: Object) -> None:
    before = cluster["objects"].get(name)
    if thing["kind"] == "Deployment":
        thing["status"] = {}
        annotations = thing["metadata"].setdefault("annotations", {})
        annotations[REVISION] = before["metadata"]["annotations"][REVISION] if before else 0
        if before is None or before["spec"]["template"] != thing["spec"]["template"]:
            cluster["history"][name] = before and before["spec"]["template"]
            number_revision(thing)
    cluster["objects"][name] = thing


def number_revision(deployment: Object) -> None:
    deployment["metadata"]["annotations"][REVISION] += 1


def wait(cluster: Object, words: list[str], _: dict[str, str]) -> str:
    find(cluster, *words[0].split("/"))
    if "smoke" in cluster["broken"]:
        raise RefusedError("error: timed out waiting for the condition on jobs")
    return "condition met\n"


def patch(cluster: Object, words: list[str], options: dict[str, str]) -> str:
    """A JSON patch (RFC 6902) of the operations test and replace: all of it, or nothing."""
    selector = find(cluster, *words)["spec"]["selector"]
    if color := cluster.pop("stolen", None):
        selector["aegis-rag/color"] = color
    for step in json.loads(options["--patch"]):
        key = step["path"].rpartition("/")[2].replace("~1", "/")
        if step["op"] == "test" and selector.get(key) != step["value"]:
            raise RefusedError(NOT_AS_TESTED)
        if step["op"] == "replace":
            selector[key] = step["value"]
    return "patched\n"


def logs(_: Object, __: list[str], ___: dict[str, str]) -> str:
    return "[pod/aegis-api] QDRANT_URL has no scheme\n"


VERBS = {
    "apply": apply,
    "annotate": annotate,
    "create": create,
    "delete": delete,
    "get": get,
    "kustomize": kustomize,
    "logs": logs,
    "patch": patch,
    "rollout": rollout,
    "scale": scale,
    "set": set_,
    "wait": wait,
}


def fill(template: str, thing: object) -> str:
    """A template of kubectl's jsonpath: fields, an index, ``range`` over a list, and text in quotes."""
    tokens = re.findall(r"\{[^}]*\}|[^{]+", template)
    return _fill(tokens, thing)


def _fill(tokens: list[str], thing: object) -> str:
    out = []
    while tokens:
        token = tokens.pop(0)
        if token.startswith("{range "):
            body = _until_end(tokens)
            items = _field(token[len("{range ") : -1].removesuffix("[*]"), thing) or []
            assert isinstance(items, list)
            out += [_fill(list(body), item) for item in items]
        elif token.startswith('{"'):
            out.append(json.loads(token[1:-1]))
        elif token.startswith("{"):
            value = _field(token[1:-1], thing)
            out.append("" if value is None else str(value))
        else:
            out.append(token)
    return "".join(out)


def _until_end(tokens: list[str]) -> list[str]:
    body: list[str] = []
    depth = 1
    while depth:
        token = tokens.pop(0)
        depth += token.startswith("{range ") - (token == "{end}")
        body.append(token)
    return body[:-1]


def _field(path: str, thing: object) -> object:
    for key, index in re.findall(r"\.((?:[A-Za-z0-9/_-]|\\\.)+)|\[(\d+)\]", path):
        if thing is None:
            return None
        thing = thing[int(index)] if index else thing.get(key.replace("\\", ""))  # type: ignore[index,attr-defined]
    return thing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
