"""Signing requests."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from pancake_meter.waffo.errors import InvalidRequest
from pancake_meter.waffo.signing import RequestSigner, canonical_request
from tests.support.waffo_webhooks import platform_key

MERCHANT_ID = "MER_1aB2cD3eF4gH5iJ6kL7mN8"
KEY = platform_key()


def test_the_canonical_string_is_method_path_seconds_and_body_hash() -> None:
    # Given: SHA-256 of {} in base64
    body_hash = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="
    assert canonical_request("POST", "/v1/graphql", 1775121300, b"{}") == (
        f"POST\n/v1/graphql\n1775121300\n{body_hash}".encode()
    )


def test_the_headers_sign_exactly_these_bytes() -> None:
    # Given
    body = '{"metadata":{"name":"Zoë 東京"}}'.encode()
    # When
    headers = RequestSigner(MERCHANT_ID, KEY).headers("/v1/graphql", body, timestamp_seconds=1775121300)
    # Then: verify() raises when the signature does not fit
    assert {name: value for name, value in headers.items() if name != "X-Signature"} == {
        "X-Merchant-Id": MERCHANT_ID,
        "X-Timestamp": "1775121300",
    }
    KEY.public_key().verify(
        base64.b64decode(headers["X-Signature"], validate=True),
        canonical_request("POST", "/v1/graphql", 1775121300, body),
        PKCS1v15(),
        SHA256(),
    )


@pytest.mark.parametrize("merchant_id", ["", "MER 1", "MER_1\r\nX-Evil: 1", "M" * 129, "MER_é"])
def test_a_merchant_id_that_cannot_stand_in_a_header_is_refused(merchant_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RequestSigner(merchant_id, KEY)
    assert caught.value.field == "X-Merchant-Id"


def test_a_signer_does_not_print_its_key() -> None:
    assert repr(RequestSigner(MERCHANT_ID, KEY)) == f"RequestSigner(merchant_id='{MERCHANT_ID}')"
