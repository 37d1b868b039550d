import asyncio
import gzip
from collections.abc import Callable

import httpx

from local.front import Behind, create_front
from local.settings import DEFAULT_IN_FLIGHT_MAX

BEHIND = Behind(
    "http://127.0.0.1:4566", "api1", "https://0123456789abcdef0123456789abcdef.lambda-url.us-east-1.on.aws/"
)
Handler = Callable[[httpx.Request], httpx.Response]


def streamed(answer: httpx.Response) -> httpx.Response:
    """An answer as it comes over the network: not read yet, and compressed where it says so."""
    return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)


def ask(handler: Handler, method: str, path: str, **options: object) -> tuple[httpx.Response, httpx.Request]:
    """Send one request through the front; return the answer, and the request as the emulator got it."""
    got: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return streamed(handler(request))

    async def send() -> httpx.Response:
        front = create_front(BEHIND, lambda: None, httpx.MockTransport(keep))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://front") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    answer = asyncio.run(send())
    return answer, got[0]


def fine(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(201, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")], text="made")


def test_a_path_goes_to_the_api_as_it_came() -> None:
    # When
    _, got = ask(fine, "GET", "/v1/customers/a%2Fb%20c/quota?amount=1&x=%C3%A9")
    # Then
    assert (
        str(got.url)
        == "http://127.0.0.1:4566/_aws/execute-api/api1/$default/v1/customers/a%2Fb%20c/quota?amount=1&x=%C3%A9"
    )


def test_a_path_with_a_line_break_goes_to_the_api_too() -> None:
    answer, got = ask(fine, "POST", "/v1/usage/parked/a%0Ab/dismiss")
    assert (answer.status_code, str(got.url).endswith("/v1/usage/parked/a%0Ab/dismiss")) == (201, True)


def test_a_header_that_is_no_ascii_goes_to_the_api_too() -> None:
    answer, got = ask(fine, "GET", "/v1/plans", headers={"x-name": b"caf\xe9"})
    assert (answer.status_code, dict(got.headers.raw)[b"x-name"]) == (201, b"caf\xe9")


def test_the_webhook_path_goes_to_the_function_url_with_the_very_bytes() -> None:
    # Given
    body = b'{"id": 1.0,\r\n "\xc3\xa9": "\\u00e9"}'
    # When
    _, got = ask(fine, "POST", "/webhooks/waffo", content=body, headers={"X-Waffo-Signature": "t=1,v1=x"})
    # Then
    assert str(got.url) == "http://127.0.0.1:4566/_aws/lambda-url/0123456789abcdef0123456789abcdef/"
    assert got.content == body
    assert got.headers["x-waffo-signature"] == "t=1,v1=x"


def test_status_headers_and_body_come_back_as_they_are() -> None:
    answer, _ = ask(fine, "POST", "/v1/usage", json={})
    assert (answer.status_code, answer.text) == (201, "made")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_a_compressed_answer_stays_compressed() -> None:
    # Given
    packed = gzip.compress(b"body{}")

    def compressed(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed)

    # When
    answer, got = ask(compressed, "GET", "/assets/pages.css", headers={"accept-encoding": "gzip, br"})
    # Then
    assert got.headers["accept-encoding"] == "gzip, br"
    assert (answer.headers["content-encoding"], answer.headers["content-length"]) == ("gzip", str(len(packed)))
    assert answer.text == "body{}"


def test_who_takes_no_compressed_answer_is_asked_for_none() -> None:
    async def send() -> None:
        front = create_front(BEHIND, lambda: None, httpx.MockTransport(keep))
        transport = httpx.ASGITransport(front)
        request = httpx.Request("GET", "http://front/assets/pages.css")
        assert "accept-encoding" not in request.headers
        await transport.handle_async_request(request)

    got: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return streamed(httpx.Response(200))

    asyncio.run(send())
    assert got[0].headers["accept-encoding"] == "identity"


def test_a_redirect_is_for_the_caller_to_follow() -> None:
    # Given
    def elsewhere(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "https://checkout.example/1"})

    # When
    answer, _ = ask(elsewhere, "GET", "/buy/token")
    # Then
    assert (answer.status_code, answer.headers["location"]) == (302, "https://checkout.example/1")


def test_an_emulator_that_does_not_answer_is_a_502() -> None:
    # Given
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    # When
    answer, _ = ask(broken, "GET", "/v1/x")
    # Then
    assert answer.status_code == httpx.codes.BAD_GATEWAY


def test_a_burst_waits_its_turn() -> None:
    # Given
    in_flight = 0
    most = 0

    async def slow(_request: httpx.Request) -> httpx.Response:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.005)
        in_flight -= 1
        return streamed(httpx.Response(200))

    async def burst() -> list[int]:
        front = create_front(BEHIND, lambda: None, httpx.MockTransport(slow))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://front") as client:
            answers = await asyncio.gather(*(client.get("/v1/x") for _ in range(5 * DEFAULT_IN_FLIGHT_MAX)))
        return [answer.status_code for answer in answers]

    # When
    statuses = asyncio.run(burst())
    # Then
    assert statuses == [200] * 5 * DEFAULT_IN_FLIGHT_MAX
    assert most == DEFAULT_IN_FLIGHT_MAX


def test_a_cookie_of_one_caller_is_not_sent_for_another() -> None:
    seen: list[str | None] = []

    def signs_in(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return streamed(httpx.Response(200, headers={"Set-Cookie": "session=secret; Path=/"}))

    async def send() -> list[str]:
        front = create_front(BEHIND, lambda: None, httpx.MockTransport(signs_in))
        answers = []
        for headers in ({}, {}, {"Cookie": "own=1"}):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://127.0.0.1") as caller:
                answers.append((await caller.get("/console", headers=headers)).headers["set-cookie"])
        return answers

    # Each caller gets the cookie, and sends its own alone
    assert asyncio.run(send()) == ["session=secret; Path=/"] * 3
    assert seen == [None, None, "own=1"]
