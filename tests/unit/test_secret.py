"""Secrets: kept, served on through an outage, and read anew when they are turned away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pancake_meter.deps.config import WaffoApiSettings
from pancake_meter.deps.secret import AGE_SECONDS, FAILURE_SECONDS, Secret, SecretUnavailable
from pancake_meter.deps.waffo import RotatingSigner, waffo_client


@dataclass
class Manager:
    """Secrets Manager with one secret, and a clock beside it."""

    text: str = "one"
    trouble: Exception | None = None
    now: float = 1000.0
    reads: int = 0
    waits: list[float] = field(default_factory=list)

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return {"SecretString": self.text}

    def secret(self) -> Secret:
        return Secret("s", client=lambda: cast("Any", self), stopwatch=lambda: self.now, sleep=self.waits.append)


def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


HANGS = ReadTimeoutError(endpoint_url="https://secretsmanager")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetSecretValue")


@pytest.mark.parametrize("trouble", [HANGS, DENIED])
def test_scenario_99_a_failure_is_remembered_so_that_requests_do_not_each_wait(trouble: Exception) -> None:
    manager = Manager(trouble=trouble)
    secret = manager.secret()
    for _ in range(10):
        with pytest.raises(SecretUnavailable, match="secret s"):
            secret()
    assert manager.reads == 2
    manager.trouble, manager.now = None, manager.now + FAILURE_SECONDS
    assert secret() == "one"


def test_the_last_known_secret_is_served_while_it_cannot_be_read_anew() -> None:
    manager = Manager()
    secret = manager.secret()
    assert secret() == "one"
    manager.trouble, manager.now = HANGS, manager.now + AGE_SECONDS
    assert [secret(), secret()] == ["one", "one"]
    assert manager.reads == 3


def test_scenario_100_a_changed_secret_is_used_within_five_minutes() -> None:
    manager = Manager()
    secret = manager.secret()
    secret()
    manager.text = "two"
    assert secret() == "one"
    manager.now += AGE_SECONDS
    assert secret() == "two"


def test_scenario_100_a_key_that_is_turned_away_is_replaced_at_once_and_only_by_another() -> None:
    manager = Manager(text=pem())
    signer = RotatingSigner("MER_1", manager.secret())
    old = signer.current()
    assert signer.renewed(old) is None
    manager.text = pem()
    new = signer.renewed(old)
    assert new is not None
    assert new.private_key != old.private_key
    assert signer.current() is new
    assert signer.renewed(old) is new


def test_a_secret_without_a_key_is_our_trouble_and_is_never_shown() -> None:
    signer = RotatingSigner("MER_1", Manager(text="hush hush").secret())
    with pytest.raises(SecretUnavailable) as refused:
        signer.current()
    assert "hush" not in str(refused.value)


def test_an_empty_secret_is_unavailable() -> None:
    with pytest.raises(SecretUnavailable, match="no text"):
        Manager(text=" ").secret()()


def test_scenario_99_a_secrets_manager_that_hangs_for_one_thread_stalls_no_other() -> None:
    manager, asked, released = Manager(text=pem()), threading.Event(), threading.Event()
    signer = RotatingSigner("MER_1", manager.secret())
    old = signer.current()
    read = manager.get_secret_value

    def hang(**named: Any) -> dict[str, str]:
        asked.set()
        assert released.wait(10)
        return read(**named)

    manager.get_secret_value = hang  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        renewed = pool.submit(signer.renewed, old)
        assert asked.wait(10)
        try:
            assert pool.submit(signer.current).result(timeout=2) is old
        finally:
            released.set()
        assert renewed.result(timeout=10) is None


def test_issue_15_a_function_makes_one_client_of_waffo() -> None:
    def settings() -> WaffoApiSettings:
        return WaffoApiSettings("test", "https://waffo.example.com", "MER_1", "STO_1", "secret", None)

    assert waffo_client(settings()) is waffo_client(settings())
