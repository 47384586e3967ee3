"""Fixtures: one Dynamo deployment and one gateway for all tests that break neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat import chat
from cluster import DynamoCluster
from gateway import Gateway, find_binary, policy_for
from processes import wait_until
from understanding import guarded_policy, understanding_cluster

_shown_on_failure: list[DynamoCluster | Gateway] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    """Without the binary nothing here can be tested: say so once, not in every test."""
    if session.config.option.collectonly:
        return
    try:
        find_binary()
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The disaggregated cluster comes first, before the shared ones: together they would watch more than a user may
    (see `serving` in `test_kv_cache.py`)."""
    items.sort(key=lambda item: "serving" not in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Shows the logs of the shared processes below a failed test."""
    report = yield
    if report.failed:
        for part in _shown_on_failure:
            report.sections.append(("logs of the shared processes", part.logs()))
    return report


@pytest.fixture(scope="session")
def dynamo() -> Iterator[DynamoCluster]:
    """Two frontends and one worker for each of mock-a and mock-math, routed by KV cache."""
    with DynamoCluster(["mock-a", "mock-math"], router_mode="kv") as cluster:
        _shown_on_failure.append(cluster)
        yield cluster
        _shown_on_failure.remove(cluster)


@pytest.fixture(scope="session")
def gateway(dynamo: DynamoCluster) -> Iterator[Gateway]:
    """A gateway in front of `dynamo` that knows both models on both frontends."""
    with Gateway(policy_for(*dynamo.addresses())) as gateway:
        wait_serving(gateway, "general", "math")
        _shown_on_failure.append(gateway)
        yield gateway
        _shown_on_failure.remove(gateway)


@pytest.fixture(scope="session")
def understood() -> Iterator[DynamoCluster]:
    """See `understanding_cluster`: for the tests of guards and of routing by meaning."""
    with understanding_cluster() as cluster:
        _shown_on_failure.append(cluster)
        yield cluster
        _shown_on_failure.remove(cluster)


@pytest.fixture(scope="session")
def guarded(understood: DynamoCluster) -> Iterator[Gateway]:
    """A gateway in front of `understood` with both guards, before anything reaches a worker."""
    with Gateway(guarded_policy(understood.addresses())) as gateway:
        wait_serving(gateway, "general", "math", "echo")
        _shown_on_failure.append(gateway)
        yield gateway
        _shown_on_failure.remove(gateway)


def wait_serving(gateway: Gateway, *models: str, seconds: float = 30) -> None:
    """Waits until the gateway answers for each model: it may know a frontend before its models."""
    for model in models:
        wait_until(
            lambda: chat(gateway.url, "warm up", model).status_code == 200,
            f"the gateway serves {model}",
            seconds,
        )
