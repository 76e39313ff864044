"""Which programs a Kubernetes is made of here, and the Go modules and Debian packages that they come from."""

from dataclasses import dataclass

VERSION = "1.34.4"
STAGING = f"0.{VERSION.split('.', 1)[1]}"
"""Version of the ``k8s.io`` libraries that belong to this Kubernetes."""

_COREDNS = """\
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() { coremain.Run() }
"""
_PAUSE = """\
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
"""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module of our own that requires what is built: ``require`` is ``path version``.

    ``replace``: lines that the required module's own go.mod has, which count only in the main module.
    ``main``: source of a program of our own. ``staging``: replace the libraries of Kubernetes' own tree.
    """

    require: str
    go: str
    replace: tuple[str, ...] = ()
    main: str = ""
    staging: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A program of a module; ``package`` is what ``go build`` is given."""

    module: Module
    package: str


_KUBERNETES = Module(f"k8s.io/kubernetes v{VERSION}", "1.24.0", staging=True)
_KEDA = Module(
    "github.com/kedacore/keda/v2 v2.21.0",
    "1.26.0",
    replace=(
        "github.com/nexus-rpc/nexus-proto-annotations v0.1.0 => "
        "github.com/nexus-rpc/nexus-proto-annotations v0.1.1-0.20260629224316-835bd8d49cb4",
    ),
)

CONTROL_PLANE = {
    name: Program(_KUBERNETES, f"k8s.io/kubernetes/cmd/{name}")
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
} | {"kwok": Program(Module("sigs.k8s.io/kwok v0.7.0", "1.24.0"), "sigs.k8s.io/kwok/cmd/kwok")}
"""What is needed where nodes are only simulated."""

NODE = {name: Program(_KUBERNETES, f"k8s.io/kubernetes/cmd/{name}") for name in ("kubelet", "kube-proxy")} | {
    "pause": Program(Module("", "1.24.0", main=_PAUSE), "."),
    "coredns": Program(Module("github.com/coredns/coredns v1.14.7", "1.26.0", main=_COREDNS), "."),
    "kube-router": Program(
        Module("github.com/cloudnativelabs/kube-router/v2 v2.1.0", "1.21"),
        "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    ),
}
"""What a node needs besides that."""

KEDA = {
    "keda-operator": Program(_KEDA, "github.com/kedacore/keda/v2/cmd/operator"),
    "keda-adapter": Program(_KEDA, "github.com/kedacore/keda/v2/cmd/adapter"),
}

PROGRAMS = CONTROL_PLANE | NODE | KEDA

DEBIAN = {
    "etcd": ("etcd-server", "usr/bin/etcd"),
    "host-local": ("containernetworking-plugins", "usr/lib/cni/host-local"),
    "containerd": ("containerd", "usr/bin/containerd"),
    "ctr": ("containerd", "usr/bin/ctr"),
    "runc": ("runc", "usr/sbin/runc"),
}
"""Programs of Debian packages: the package, and where the program lies in it."""

DEFINITIONS = {
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases",
    "github.com/cert-manager/cert-manager@v1.21.2": "deploy/crds",
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard",
    "github.com/external-secrets/external-secrets@v1.3.2": "config/crds/bases",
}
"""Go modules that carry custom resource definitions, and the folder that these lie in."""
