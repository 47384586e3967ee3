"""The Kubernetes manifests, as `kubectl kustomize` renders them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
RENDERED = [".", "base", "dynamo", "examples/production"]
# From the oldest that has preStop.sleep switched on to the newest there are schemas for.
VERSIONS = ["1.30", "1.32", "1.34", kubernetes_validate.latest_version()]
CLUSTER_SCOPED = {"Namespace"}

Manifest = dict[str, Any]


@cache
def render(directory: str) -> list[Manifest]:
    """All objects of a kustomization."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: kustomizations cannot be rendered")
    done = subprocess.run(
        ["kubectl", "kustomize", K8S / directory], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(kind: str, name: str = "commutator", directory: str = "base") -> Manifest:
    """The object of that kind and name."""
    found = [m for m in render(directory) if m["kind"] == kind and m["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind}/{name} in {directory}"
    return found[0]


def pod_template(directory: str = "base") -> Manifest:
    return one("Deployment", directory=directory)["spec"]["template"]


def container(directory: str = "base") -> Manifest:
    containers = pod_template(directory)["spec"]["containers"]
    assert [c["name"] for c in containers] == ["commutator"]
    return containers[0]


def ports() -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container()["ports"]}


def source(name: str) -> Manifest:
    """A configuration file of the base, as it is in the repository: this needs no kubectl."""
    return yaml.safe_load((K8S / "base" / name).read_text())


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m|h)", duration).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


# --- Schemas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("directory", RENDERED)
def test_manifests_follow_the_schemas(directory: str, version: str) -> None:
    for manifest in render(directory):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_check_can_fail() -> None:
    broken = yaml.safe_load(yaml.safe_dump(one("Deployment")))
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_source_manifests_follow_the_schemas_without_kubectl() -> None:
    for path in sorted(K8S.rglob("*.yaml")):
        manifest = yaml.safe_load(path.read_text())
        if {"apiVersion", "kind"} <= manifest.keys() and "kustomize" not in manifest["apiVersion"]:
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


# --- What belongs together -------------------------------------------------------------------------


@pytest.mark.parametrize("directory", [".", "base", "examples/production"])
def test_every_selector_finds_the_pods(directory: str) -> None:
    labels = pod_template(directory)["metadata"]["labels"].items()
    selectors = [
        one("Deployment", directory=directory)["spec"]["selector"]["matchLabels"],
        one("Service", directory=directory)["spec"]["selector"],
        one("Service", "commutator-metrics", directory)["spec"]["selector"],
        one("PodDisruptionBudget", directory=directory)["spec"]["selector"]["matchLabels"],
        one("NetworkPolicy", directory=directory)["spec"]["podSelector"]["matchLabels"],
    ]
    selectors += [
        constraint["labelSelector"]["matchLabels"]
        for constraint in pod_template(directory)["spec"]["topologySpreadConstraints"]
    ]
    for selector in selectors:
        assert selector and selector.items() <= labels


@pytest.mark.parametrize("directory", [".", "base", "examples/production"])
def test_everything_is_in_a_namespace(directory: str) -> None:
    for manifest in render(directory):
        if manifest["kind"] not in CLUSTER_SCOPED:
            assert manifest["metadata"].get("namespace") in {"commutator", "dynamo"}, manifest["metadata"]


def test_ports_are_those_of_the_configuration() -> None:
    gateway = source("gateway.yaml")
    assert [f"0.0.0.0:{ports()['http']}"] == [listener["address"] for listener in gateway["listeners"]]
    assert gateway["admin"]["address"] == f"0.0.0.0:{ports()['admin']}"
    assert one("Service")["spec"]["ports"][0]["targetPort"] == "http"
    assert one("Service", "commutator-metrics")["spec"]["ports"][0]["targetPort"] == "admin"
    named = {p["port"] for rule in one("NetworkPolicy")["spec"]["ingress"] for p in rule["ports"]}
    assert named == set(ports())
    annotations = pod_template()["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports()["admin"])


def test_probes_ask_the_admin_port() -> None:
    paths = {
        probe: container()[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    # Start and life must not depend on Dynamo; readiness must.
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe in paths:
        assert container()[probe]["httpGet"]["port"] == "admin"
    # The kubelet has no token.
    assert source("gateway.yaml")["admin"]["probes_without_token"] is True


@pytest.mark.parametrize("directory", ["base", "examples/production"])
def test_the_admin_token_is_set_where_the_configuration_reads_it(directory: str) -> None:
    reference = re.fullmatch(r"\$\{(\w+)\}", source("gateway.yaml")["admin"]["token"])
    values = {e["name"]: e["valueFrom"] for e in container(directory)["env"]}
    assert reference and reference[1] in values
    kind = "secretKeyRef" if directory == "examples/production" else "fieldRef"
    assert list(values[reference[1]]) == [kind]


def test_grace_periods_add_up() -> None:
    pre_stop = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = seconds(source("gateway.yaml")["shutdown"]["grace"])
    total = pod_template()["spec"]["terminationGracePeriodSeconds"]
    assert total >= pre_stop + grace + 15, "the kubelet would cut streams that the gateway still allows"
    # The endpoint must be withdrawn before the listener closes.
    readiness = container()["readinessProbe"]
    assert pre_stop > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_a_rollout_never_takes_a_pod_away_first() -> None:
    spec = one("Deployment")["spec"]
    assert spec["replicas"] >= 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] < spec["replicas"]


def test_the_service_is_a_load_balancer_that_keeps_addresses() -> None:
    spec = one("Service")["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    # Nothing but the data port is public.
    assert [port["targetPort"] for port in spec["ports"]] == ["http"]


# --- Configuration -----------------------------------------------------------------------------------


@pytest.mark.parametrize("directory", ["base", "examples/production"])
def test_policy_changes_in_place_and_bootstrap_rolls(directory: str) -> None:
    sources = [v for v in pod_template(directory)["spec"]["volumes"] if v["name"] == "config"][0]
    names = [s["configMap"]["name"] for s in sources["projected"]["sources"]]
    maps = {m["metadata"]["name"]: m["data"] for m in render(directory) if m["kind"] == "ConfigMap"}
    assert set(names) == set(maps)
    assert list(maps["commutator-policy"]) == ["policy.yaml"]
    (bootstrap,) = [name for name in names if re.fullmatch(r"commutator-bootstrap-[a-z0-9]{10}", name)]
    assert list(maps[bootstrap]) == ["gateway.yaml"]
    # A subPath mount would never see a new policy.
    mount = [m for m in container(directory)["volumeMounts"] if m["name"] == "config"][0]
    assert "subPath" not in mount and mount["mountPath"] == "/etc/commutator"
    assert f"--config={mount['mountPath']}/gateway.yaml" in container(directory)["args"]


@pytest.mark.parametrize("directory", ["base", "examples/production"])
def test_the_binary_accepts_the_configuration(directory: str, tmp_path: Path) -> None:
    binary = os.environ.get("COMMUTATOR_BIN", str(K8S.parent / "target" / "debug" / "commutator"))
    if not Path(binary).exists():
        pytest.skip(f"{Path(binary).name} is not built (cargo build -p commutator)")
    # Side by side, as the projected volume shows them.
    for manifest in render(directory):
        if manifest["kind"] == "ConfigMap":
            for name, text in manifest["data"].items():
                (tmp_path / name).write_text(text)
    done = subprocess.run(
        [binary, "check", "--config", tmp_path / "gateway.yaml"],
        env={"COMMUTATOR_ADMIN_TOKEN": "0b7d6a52-6a6f-4a67-9a0e-1f0a3f1c9d11"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_gateway_writes_is_writable() -> None:
    gateway = source("gateway.yaml")
    writable = {m["mountPath"] for m in container()["volumeMounts"] if not m.get("readOnly")}
    assert gateway["state_directory"] in writable
    assert str(Path(gateway["upgrade_socket"]).parent) in writable


def test_policy_names_the_headless_service() -> None:
    dns = source("policy.yaml")["clusters"][0]["endpoints"]["dns"]
    service = one("Service", "dynamo-frontends", ".")
    metadata, spec = service["metadata"], service["spec"]
    assert dns["name"] == f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local."
    # Headless: DNS gives targetPort's pods, so the port asked is the container's.
    assert spec["clusterIP"] == "None"
    assert dns["port"] == spec["ports"][0]["targetPort"]
    egress = one("NetworkPolicy")["spec"]["egress"]
    frontends = [
        rule for rule in egress if rule["to"][0]["podSelector"]["matchLabels"] == spec["selector"]
    ]
    assert [rule["ports"][0]["port"] for rule in frontends] == [dns["port"]]


def test_the_autoscaler_owns_the_number_of_pods() -> None:
    deployment = one("Deployment", directory="examples/production")
    assert "replicas" not in deployment["spec"]
    autoscaler = one("HorizontalPodAutoscaler", directory="examples/production")["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["minReplicas"] >= 2
    assert "cpu" in container("examples/production")["resources"]["requests"], "utilisation is of the request"


# --- Pod Security Standard `restricted` ----------------------------------------------------------------

RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def restricted_violations(spec: Manifest) -> list[str]:
    """What `restricted` forbids in this pod spec (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    pod = spec.get("securityContext", {})
    if pod.get("sysctls"):
        found.append("sysctls")
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= RESTRICTED_VOLUMES:
            found.append(f"volume {volume['name']}")
    for item in spec.get("initContainers", []) + spec["containers"]:
        own = item.get("securityContext", {})
        merged = pod | own
        checks = {
            "privileged": not own.get("privileged", False),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": merged.get("runAsNonRoot") is True,
            "runAsUser": merged.get("runAsUser", 1) != 0,
            "seccompProfile": merged.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
            "drop ALL": "ALL" in own.get("capabilities", {}).get("drop", []),
            "add": set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"},
            "procMount": own.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in item.get("ports", [])),
        }
        found += [f"{item['name']}: {rule}" for rule, kept in checks.items() if not kept]
    return found


@pytest.mark.parametrize("directory", ["base", "examples/production"])
def test_pods_are_restricted(directory: str) -> None:
    spec = pod_template(directory)["spec"]
    assert restricted_violations(spec) == []
    # Beyond the standard:
    assert container(directory)["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["automountServiceAccountToken"] is False
    assert one("ServiceAccount", directory=directory)["automountServiceAccountToken"] is False


def test_the_restricted_check_can_fail() -> None:
    assert restricted_violations({"hostNetwork": True, "containers": [{"name": "c"}]}) == [
        "hostNetwork",
        "c: allowPrivilegeEscalation",
        "c: runAsNonRoot",
        "c: seccompProfile",
        "c: drop ALL",
    ]


def test_the_namespace_enforces_it() -> None:
    labels = one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_resources_are_set() -> None:
    resources = container()["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]
    # Throttling would show as time to first token.
    assert "cpu" not in resources["limits"]


# --- Image --------------------------------------------------------------------------------------------


def test_image_runs_as_the_pod_does() -> None:
    text = (K8S / "Dockerfile").read_text()
    context = pod_template()["spec"]["securityContext"]
    assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in text
    assert re.findall(r"^FROM (\S+)", text, re.M)[-1] == "scratch"
    toolchain = re.search(r"^FROM rust:(\d+\.\d+)", text, re.M)
    manifest = (K8S.parent / "Cargo.toml").read_text()
    minimum = re.search(r'^rust-version = "(\d+\.\d+)"', manifest, re.M)
    version = lambda match: tuple(int(part) for part in match[1].split("."))  # noqa: E731
    assert version(toolchain) >= version(minimum)
