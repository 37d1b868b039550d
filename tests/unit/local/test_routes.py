from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from local.deploy import DeployedStack
from local.errors import LocalStackError
from local.routes import import_routes

ARN = "arn:aws:lambda:us-east-1:000000000000:function:{name}:live"
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + ARN + "/invocations"


@dataclass
class FakeApiGateway:
    """Keeps what it is told to make, and forgets what it is told to delete."""

    routes: dict[str, dict[str, Any]] = field(default_factory=dict)
    integrations: dict[str, dict[str, Any]] = field(default_factory=dict)
    authorizers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get_routes(self, **_: Any) -> dict[str, Any]:
        return {"Items": [{"RouteId": key} for key in self.routes]}

    def get_integrations(self, **_: Any) -> dict[str, Any]:
        return {"Items": [{"IntegrationId": key} for key in self.integrations]}

    def get_authorizers(self, **_: Any) -> dict[str, Any]:
        return {"Items": [{"AuthorizerId": key} for key in self.authorizers]}

    def delete_route(self, **request: Any) -> None:
        del self.routes[request["RouteId"]]

    def delete_integration(self, **request: Any) -> None:
        del self.integrations[request["IntegrationId"]]

    def delete_authorizer(self, **request: Any) -> None:
        del self.authorizers[request["AuthorizerId"]]

    def create_authorizer(self, **request: Any) -> dict[str, str]:
        self.authorizers[f"a{len(self.authorizers)}"] = request
        return {"AuthorizerId": f"a{len(self.authorizers) - 1}"}

    def create_integration(self, **request: Any) -> dict[str, str]:
        self.integrations[f"i{len(self.integrations)}"] = request
        return {"IntegrationId": f"i{len(self.integrations) - 1}"}

    def create_route(self, **request: Any) -> None:
        self.routes[request["RouteKey"]] = request


class FakeMiniStack:
    def __init__(self, gateway: FakeApiGateway) -> None:
        self._gateway = gateway

    def apigateway(self) -> FakeApiGateway:
        return self._gateway


def invocation(text: object) -> dict[str, Any]:
    return {"uri": {"Fn::Sub": text}, "type": "aws_proxy", "payloadFormatVersion": "2.0", "timeoutInMillis": 11000}


def deployed(
    buy_uri: object = "arn:${AWS::Partition}:x:path/functions/${BuyFunctionAliaslive}/invocations",
) -> DeployedStack:
    """A stack as SAM processes it: one route behind the authorizer, one open."""
    authorizer_uri = [
        "arn:x:path/functions/${__FunctionArn__}/invocations",
        {"__FunctionArn__": {"Ref": "KeyFunctionAliaslive"}},
    ]
    authorizer = {
        "type": "request",
        "authorizerUri": {"Fn::Sub": authorizer_uri},
        "authorizerPayloadFormatVersion": "2.0",
        "authorizerResultTtlInSeconds": 60,
        "enableSimpleResponses": True,
        "identitySource": ["$request.header.Authorization", "$context.routeKey"],
    }
    quota = "arn:${AWS::Partition}:x:path/functions/${QuotaFunctionAliaslive}/invocations"
    body = {
        "components": {"securitySchemes": {"ApiKey": {"x-amazon-apigateway-authorizer": authorizer}}},
        "paths": {
            "/v1/quota": {
                "get": {"security": [{"ApiKey": []}], "x-amazon-apigateway-integration": invocation(quota)},
                "parameters": [],
            },
            "/buy/{token}": {
                "get": {"security": [{"NONE": []}], "x-amazon-apigateway-integration": invocation(buy_uri)}
            },
        },
    }
    return DeployedStack(
        outputs={},
        physical_ids={
            "HttpApi": "api",
            **{f"{name.capitalize()}FunctionAliaslive": ARN.format(name=name) for name in ("quota", "buy", "key")},
        },
        processed_template={"Resources": {"HttpApi": {"Properties": {"Body": body}}}},
    )


def run(gateway: FakeApiGateway, stack: DeployedStack) -> int:
    return import_routes(FakeMiniStack(gateway), stack)  # type: ignore[arg-type]


def test_routes_integrations_and_authorizer_are_those_of_the_body() -> None:
    # Given
    gateway = FakeApiGateway()
    # When
    count = run(gateway, deployed())
    # Then
    assert count == 2
    assert gateway.authorizers["a0"]["AuthorizerUri"] == URI.format(name="key")
    assert gateway.authorizers["a0"]["IdentitySource"] == ["$request.header.Authorization", "$context.routeKey"]
    guarded, open_ = gateway.routes["GET /v1/quota"], gateway.routes["GET /buy/{token}"]
    assert (guarded["AuthorizationType"], guarded["AuthorizerId"]) == ("CUSTOM", "a0")
    assert (open_["AuthorizationType"], "AuthorizerId" in open_) == ("NONE", False)
    target = gateway.integrations[guarded["Target"].removeprefix("integrations/")]
    assert target["IntegrationUri"] == URI.format(name="quota")


@pytest.mark.parametrize("is_made", [True, False])
def test_the_route_of_a_function_with_a_condition_is_there_when_the_function_is(is_made: bool) -> None:
    # Given: a body as SAM makes it of such a function
    stack, gateway = deployed(), FakeApiGateway()
    heal = invocation("arn:${AWS::Partition}:x:path/functions/${HealFunctionAliaslive}/invocations")
    operation = {"x-amazon-apigateway-integration": {"Fn::If": ["Heals", heal, {"Ref": "AWS::NoValue"}]}}
    paths = stack.processed_template["Resources"]["HttpApi"]["Properties"]["Body"]["paths"]
    paths["/v1/heal"] = {"Fn::If": ["Heals", {"post": operation}, {"Ref": "AWS::NoValue"}]}
    physical_ids = {**stack.physical_ids, **({"HealFunctionAliaslive": ARN.format(name="heal")} if is_made else {})}
    # When
    run(gateway, replace(stack, physical_ids=physical_ids))
    # Then
    assert ("POST /v1/heal" in gateway.routes) == is_made
    assert len(gateway.integrations) == 2 + is_made


def test_a_second_import_replaces_the_first() -> None:
    # Given
    gateway = FakeApiGateway()
    run(gateway, deployed())
    # When
    run(gateway, deployed())
    # Then
    assert (len(gateway.routes), len(gateway.integrations), len(gateway.authorizers)) == (2, 2, 1)


@pytest.mark.parametrize(
    "uri", ["https://example.com", "arn:x:path/functions/${BuyFunction.Arn}/invocations", ["a", "b", "c"], None]
)
def test_a_uri_that_is_not_a_functions_stops_the_import(uri: object) -> None:
    with pytest.raises(LocalStackError, match="cannot resolve"):
        run(FakeApiGateway(), deployed(uri))
