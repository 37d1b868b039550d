"""boto3's session as functions make it: it has every service that boto3 has, and looks at few files for it."""

import boto3
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from pancake_meter.store.aws_session import aws_session

SERVICES = ("dynamodb", "events", "secretsmanager", "sqs")
FILES_MAX = 60
"""Per client: where its descriptions are, and in which form."""


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_has_the_description_that_boto3_gives_it(service: str) -> None:
    stock = boto3.Session().client(service)  # type: ignore[call-overload]
    ours = aws_session().client(service)  # type: ignore[call-overload]
    assert ours.meta.service_model.api_version == stock.meta.service_model.api_version
    assert ours.meta.service_model.operation_names == stock.meta.service_model.operation_names
    assert ours.meta.endpoint_url == stock.meta.endpoint_url


def test_every_service_of_boto3_is_known_and_no_other() -> None:
    known = aws_session().get_available_services()
    assert set(Loader().list_available_services("service-2")) <= set(known)
    with pytest.raises(UnknownServiceError, match="no-such-service"):
        aws_session().client("no-such-service")  # type: ignore[call-overload]


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_asks_the_disk_little(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    exists = JSONFileLoader.exists

    def counted(loader: JSONFileLoader, path: str) -> bool:
        asked.append(path)
        return exists(loader, path)

    monkeypatch.setattr(JSONFileLoader, "exists", counted)
    aws_session().client(service)  # type: ignore[call-overload]
    ours = len(asked)
    boto3.Session().client(service)  # type: ignore[call-overload]
    assert ours <= FILES_MAX < len(asked) - ours


def test_a_session_that_is_there_is_used() -> None:
    boto3.setup_default_session(region_name="eu-west-3")
    assert aws_session() is boto3.DEFAULT_SESSION
    assert aws_session().region_name == "eu-west-3"


def test_there_is_one_session_and_boto3_uses_it_too() -> None:
    session = aws_session()
    assert aws_session() is session is boto3.DEFAULT_SESSION
