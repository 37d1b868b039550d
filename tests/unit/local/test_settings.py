import pytest

from local.errors import LocalStackError
from local.settings import key_on_one_line, read_settings

PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\nAQAB\n-----END PUBLIC KEY-----\n"


def test_nothing_set_gives_a_test_stack_on_port_8000_with_the_simulator() -> None:
    settings = read_settings({})
    assert (settings.port, settings.keep_data, settings.enforce_iam) == (8000, False, False)
    assert (settings.waffo.environment, settings.waffo.api_url, settings.waffo.private_key) == ("test", None, None)


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({"PORT": "", "WAFFO_API_URL": "", "KEEP_DATA": ""}) == read_settings({})


@pytest.mark.parametrize("name", ["PORT", "WAFFO_ENVIRONMENT"])
def test_a_wrong_value_is_refused_by_the_variables_name(name: str) -> None:
    with pytest.raises(LocalStackError, match=name):
        read_settings({name: "nonsense"})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1.5", "²"])
def test_a_port_is_a_number_from_1_to_65535(port: str) -> None:
    with pytest.raises(LocalStackError, match="PORT"):
        read_settings({"PORT": port})


@pytest.mark.parametrize("text", [PEM, PEM.replace("\n", "\\n"), PEM.replace("\n", "\r\n"), "MIIBAQAB", "MIIB\nAQAB\n"])
def test_a_public_key_of_any_shape_fits_a_stack_parameter(text: str) -> None:
    assert key_on_one_line(text) == "MIIBAQAB"


def test_two_public_keys_of_a_rotation_stay_two() -> None:
    assert key_on_one_line(PEM + PEM.replace("MIIB", "OTHER")) == "MIIBAQAB,OTHERAQAB"


def test_usage_is_forwarded_nowhere_unless_an_openmeter_is_named() -> None:
    assert read_settings({"OPENMETER_API_KEY": "om_key"}).openmeter is None
    named = read_settings({"OPENMETER_BASE_URL": "http://127.0.0.1:8888", "OPENMETER_API_KEY": "om_key"}).openmeter
    assert named is not None
    assert (named.base_url, named.api_key) == ("http://127.0.0.1:8888", "om_key")


def test_an_openmeter_without_its_key_is_refused() -> None:
    with pytest.raises(LocalStackError, match="OPENMETER_API_KEY"):
        read_settings({"OPENMETER_BASE_URL": "http://127.0.0.1:8888"})
