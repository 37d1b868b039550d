"""boto3's session as functions make it: it has every service that boto3 has, and looks at few files for it."""

import shutil
from pathlib import Path

import boto3
import pytest
from boto3.exceptions import ResourceNotExistsError
from botocore.exceptions import ProfileNotFound, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from pancake_meter.store.aws_session import aws_session

SERVICES = ("dynamodb", "events", "secretsmanager", "sqs")
FILES_MAX = 60
"""Per client: where its descriptions are, and in which form."""


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def customised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of AWS_DATA_PATH: services that others describe, one of them without rules for endpoints, and no services."""
    (of_sqs,) = (Path(Loader.BUILTIN_DATA_PATH) / "sqs").iterdir()
    for name in ("with-rules", "without-rules"):
        shutil.copytree(of_sqs, tmp_path / name / of_sqs.name)
    for rules in (tmp_path / "without-rules").rglob("endpoint-rule-set-1*"):
        rules.unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    return tmp_path


def listed(session: boto3.Session, described: str) -> list[str]:
    names: list[str] = session._session.get_component("data_loader").list_available_services(described)
    return names


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_has_the_description_that_boto3_gives_it(service: str) -> None:
    stock = boto3.Session().client(service)  # type: ignore[call-overload]
    ours = aws_session().client(service)  # type: ignore[call-overload]
    assert ours.meta.service_model.api_version == stock.meta.service_model.api_version
    assert ours.meta.service_model.operation_names == stock.meta.service_model.operation_names
    assert ours.meta.endpoint_url == stock.meta.endpoint_url


@pytest.mark.parametrize("described", ["service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2", "resources-1"])
def test_services_are_listed_as_boto3_lists_them(described: str, customised: Path) -> None:
    assert customised.is_dir()
    ours, stock = aws_session(), boto3.Session()
    assert listed(ours, described) == listed(stock, described) != []
    assert ours.get_available_services() == stock.get_available_services()
    assert ours.get_available_resources() == stock.get_available_resources()


@pytest.mark.parametrize("name", ["no-such-service", "endpoints.json", "a-file", "empty"])
def test_what_is_no_service_is_refused_as_boto3_refuses_it(name: str, customised: Path) -> None:
    assert customised.is_dir()
    with pytest.raises(UnknownServiceError) as stock:
        boto3.Session().client(name)  # type: ignore[call-overload]
    with pytest.raises(UnknownServiceError) as ours:
        aws_session().client(name)  # type: ignore[call-overload]
    assert str(ours.value) == str(stock.value)
    with pytest.raises(ResourceNotExistsError):
        aws_session().resource("lambda")  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["with-rules", "without-rules"])
def test_a_service_that_others_describe_has_its_client(name: str, customised: Path) -> None:
    assert customised.is_dir()
    model = aws_session().client(name).meta.service_model  # type: ignore[call-overload]
    assert model.operation_names == boto3.Session().client("sqs").meta.service_model.operation_names


def test_a_profile_that_is_missing_leaves_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(ProfileNotFound):
        aws_session()
    assert boto3.DEFAULT_SESSION is None


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
