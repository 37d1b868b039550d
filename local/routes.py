"""The one gap of MiniStack, mended: an HTTP API defined by an OpenAPI body is created without its routes.

SAM turns every HttpApi event into such a body. So we read the body from the processed template, as CloudFormation has it,
and make the same authorizers, integrations and routes with the API that API Gateway has for it. The template stays the
only description of the stack. See docs/decisions/0006.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.deploy import DeployedStack
from local.errors import LocalStackError
from local.stack import MiniStack

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

API_LOGICAL_ID = "HttpApi"
METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
PAGE_SIZE = "500"
_ALIAS_VARIABLE = re.compile(r"functions/\$\{(\w+)\}/invocations")
_ALIAS_SUFFIX = "Aliaslive"


def import_routes(ministack: MiniStack, stack: DeployedStack) -> int:
    """Make what the body of the deployed API says, in place of what is there; return the number of routes.

    Raises `LocalStackError` when the body says something that this cannot make.
    """
    api_id = stack.physical_ids[API_LOGICAL_ID]
    body = stack.processed_template["Resources"][API_LOGICAL_ID]["Properties"]["Body"]
    client = ministack.apigateway()
    _clear(client, api_id)
    uris = _InvocationUris(stack)
    authorizers = {
        name: _create_authorizer(client, api_id, name, scheme, uris)
        for name, scheme in body["components"]["securitySchemes"].items()
    }
    count = 0
    for path, operations in _where_conditions_hold(body["paths"]).items():
        for method, operation in operations.items():
            # A function whose condition does not hold was not made, and neither is its route.
            if method in METHODS and _alias_of(_uri(operation)) in stack.physical_ids:
                _create_route(client, api_id, f"{method.upper()} {path}", operation, authorizers, uris)
                count += 1
    return count


def _where_conditions_hold(part: Any) -> Any:
    """Return a part of the body without the `Fn::If` that SAM puts around what belongs to a function with a condition."""
    match part:
        case {"Fn::If": [str(), then, _]}:
            return _where_conditions_hold(then)
        case Mapping():
            return {name: _where_conditions_hold(value) for name, value in part.items()}
        case _:
            return part


def _uri(operation: Mapping[str, Any]) -> object:
    return operation["x-amazon-apigateway-integration"]["uri"]


class _InvocationUris:
    """Resolves what SAM writes into a body as the URI of a function's alias, in either of its two forms."""

    def __init__(self, stack: DeployedStack) -> None:
        self._physical_ids = stack.physical_ids

    def resolve(self, uri: object) -> str:
        """Return the URI; an alias's physical id is its ARN. Raises `LocalStackError` for any other form than SAM's."""
        arn = self._physical_ids[_alias_of(uri)]
        region = arn.split(":")[3]
        return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def _alias_of(uri: object) -> str:
    """Return the alias's logical id in SAM's `.../${IdAliaslive}/...` or `[".../${Name}/...", {Name: Ref IdAliaslive}]`."""
    match uri:
        case {"Fn::Sub": str(text)}:
            variables: Mapping[str, Any] = {}
        case {"Fn::Sub": [str(text), Mapping() as variables]}:
            pass
        case _:
            text, variables = "", {}
    found = _ALIAS_VARIABLE.search(text)
    name = found[1] if found else ""
    logical_id = variables[name].get("Ref", "") if name in variables else name
    if not logical_id.endswith(_ALIAS_SUFFIX):
        raise LocalStackError(f"the API's body has a URI that local/routes.py cannot resolve: {uri}")
    return str(logical_id)


def _clear(client: "ApiGatewayV2Client", api_id: str) -> None:
    for route in client.get_routes(ApiId=api_id, MaxResults=PAGE_SIZE)["Items"]:
        client.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    for integration in client.get_integrations(ApiId=api_id, MaxResults=PAGE_SIZE)["Items"]:
        client.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])
    for authorizer in client.get_authorizers(ApiId=api_id, MaxResults=PAGE_SIZE)["Items"]:
        client.delete_authorizer(ApiId=api_id, AuthorizerId=authorizer["AuthorizerId"])


def _create_authorizer(
    client: "ApiGatewayV2Client", api_id: str, name: str, scheme: Mapping[str, Any], uris: _InvocationUris
) -> str:
    settings = scheme["x-amazon-apigateway-authorizer"]
    if settings["type"] != "request":
        raise LocalStackError(f"authorizer {name} is of type {settings['type']}; local/routes.py knows request")
    made = client.create_authorizer(
        ApiId=api_id,
        Name=name,
        AuthorizerType="REQUEST",
        AuthorizerUri=uris.resolve(settings["authorizerUri"]),
        AuthorizerPayloadFormatVersion=settings["authorizerPayloadFormatVersion"],
        AuthorizerResultTtlInSeconds=int(settings["authorizerResultTtlInSeconds"]),
        EnableSimpleResponses=settings["enableSimpleResponses"],
        IdentitySource=settings["identitySource"],
    )
    return made["AuthorizerId"]


def _create_route(
    client: "ApiGatewayV2Client",
    api_id: str,
    key: str,
    operation: Mapping[str, Any],
    authorizers: Mapping[str, str],
    uris: _InvocationUris,
) -> None:
    settings = operation["x-amazon-apigateway-integration"]
    integration = client.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationMethod="POST",
        IntegrationUri=uris.resolve(_uri(operation)),
        PayloadFormatVersion=settings["payloadFormatVersion"],
        TimeoutInMillis=int(settings["timeoutInMillis"]),
    )
    target = f"integrations/{integration['IntegrationId']}"
    names = [name for requirement in operation.get("security", ()) for name in requirement if name in authorizers]
    if names:
        (name,) = names
        client.create_route(
            ApiId=api_id, RouteKey=key, Target=target, AuthorizationType="CUSTOM", AuthorizerId=authorizers[name]
        )
    else:
        client.create_route(ApiId=api_id, RouteKey=key, Target=target, AuthorizationType="NONE")
