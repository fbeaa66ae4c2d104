"""The Mixer stand-in: the policy role says yes, the telemetry role takes reports, neither does the other's work."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

from lab.standins import mixer


@pytest.fixture(params=["policy", "telemetry"])
def role(request: pytest.FixtureRequest) -> Iterator[tuple[str, grpc.Channel]]:
    server = mixer.build_server(request.param)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield request.param, channel
    server.stop(0).wait(5)


def test_each_role_serves_its_own_protocol(role: tuple[str, grpc.Channel]) -> None:
    name, channel = role
    checks = external_auth_pb2_grpc.AuthorizationStub(channel)
    reports = als_pb2_grpc.AccessLogServiceStub(channel)
    if name == "policy":
        assert checks.Check(external_auth_pb2.CheckRequest(), timeout=10).status.code == 0
        with pytest.raises(grpc.RpcError) as error:
            reports.StreamAccessLogs(iter([als_pb2.StreamAccessLogsMessage()]), timeout=10)
    else:
        reports.StreamAccessLogs(iter([als_pb2.StreamAccessLogsMessage()]), timeout=10)
        with pytest.raises(grpc.RpcError) as error:
            checks.Check(external_auth_pb2.CheckRequest(), timeout=10)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
