"""The table of the tests is the table of template.yaml."""

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.support.dynamodb_engine import Engine, engine_here
from tools.cfn_template import load_template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE_LOGICAL_ID = "Table"


@cache
def table_properties() -> dict[str, Any]:
    """Return the `Properties` of the table in template.yaml, in CloudFormation's shape: read once, not to be changed."""
    properties: dict[str, Any] = load_template()["Resources"][TABLE_LOGICAL_ID]["Properties"]
    return properties


def create_table(client: "DynamoDBClient", name: str, *, ttl: bool = True, stream: bool = False) -> str:
    """Create the table of template.yaml as `name` on whatever `client` points at, and return `name`.

    Works on moto, Dynoxide, MiniStack, DynamoDB Local and AWS. `ttl=False` leaves expiry off, for endpoints that delete
    at once what a test still wants to read; where MiniStack stands in for Dynoxide it is always off. The stream is only
    there with `stream=True`: Dynoxide goes through all its records at every write. Raises botocore's `ClientError` as it
    comes.
    """
    properties = table_properties()
    client.create_table(
        TableName=name,
        BillingMode=properties["BillingMode"],
        AttributeDefinitions=properties["AttributeDefinitions"],
        KeySchema=properties["KeySchema"],
        GlobalSecondaryIndexes=properties["GlobalSecondaryIndexes"],
        StreamSpecification={
            "StreamEnabled": True,
            "StreamViewType": properties["StreamSpecification"]["StreamViewType"],
        }
        if stream
        else {"StreamEnabled": False},
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    # MiniStack deletes what has expired within a minute, and the items of tests are of the past.
    if ttl and engine_here() is not Engine.MINISTACK:
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    return name
