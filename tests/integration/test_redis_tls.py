"""Servers that speak TLS, with certificates of an authority that this test is."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jobs_flow.errors import StorageUnavailable
from jobs_flow.storages import create_storage
from jobs_flow.testing.scenario import Scenario, task
from tests.support.eventually import aeventually
from tests.support.processes import free_port
from tests.support.servers import Valkey, redis_program


class Authority:
    """Makes certificates, and is trusted by those who have its own (``path``)."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = directory / f"{name}.pem"
        made = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.path.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def certificate(self) -> tuple[Path, Path]:
        """Files of a certificate for this machine, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        paths = self._directory / "server.pem", self._directory / "server.key"
        paths[0].write_bytes(self._signed(subject, key.public_key(), names).public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def port(authority: Authority, start_valkey: Callable[..., Valkey]) -> Iterator[int]:
    """Of a server with TLS; without, it has another."""
    certificate, key = authority.certificate()
    port = free_port()
    start_valkey(
        program=redis_program(),
        config={
            "tls-port": str(port),
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(authority.path),
            "tls-auth-clients": "no",
        },
    )
    return port


async def test_records_and_events(authority: Authority, port: int) -> None:
    storage = create_storage(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.path}&prefix=p:")
    scenario = Scenario(storage, task("a"))
    subscription = storage.subscribe()
    await subscription.add(scenario.id)
    async with asyncio.timeout(30):
        # Said when it is connected: only what is published then is heard.
        assert await subscription.next() == (scenario.id, None)
        scenario.start()
        while (event := (await subscription.next())[1]) is None:
            pass
    assert event.seq == 2
    assert scenario.do("#.a").finished == "done"
    await subscription.aclose()
    storage.close()
    # Such a connection ends with an answer of the server: a loop that is closed before it came leaves an open socket
    # behind, which is found in whatever test comes next.
    await aeventually(lambda: port not in ports_connected_to(), 30)


def ports_connected_to() -> set[int]:
    """Those to which this process has connections."""
    return {found.raddr.port for found in psutil.Process().net_connections("inet") if found.raddr}


def test_a_server_that_is_not_trusted(authority: Authority, port: int, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    storage = create_storage(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={other.path}")
    with pytest.raises(StorageUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        storage.ping()
    storage.close()
    # Whoever wants to be deceived says so.
    storage = create_storage(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=false")
    storage.ping()
    storage.close()
