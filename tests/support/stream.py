"""The stream of a table on Dynoxide as Lambda would hand it out: by the filter of template.yaml, in Lambda's shape."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.support.aws import DUMMY_ACCESS_KEY, REGION
from tools.cfn_template import load_template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGES_MAX = 1000


def stream_events(client: "DynamoDBClient", table: str, function: str) -> list[dict[str, Any]]:
    """Return the Lambda events that `function` would get, of as many records as its batch size, oldest first."""
    wanted = [record for record in _records(client, table) if passes_filter(record, function)]
    size = _source(function)["BatchSize"]
    return [{"Records": wanted[first : first + size]} for first in range(0, len(wanted), size)]


def passes_filter(record: Mapping[str, Any], function: str) -> bool:
    """Return whether `function` would get a record."""
    filters = _source(function)["FilterCriteria"]["Filters"]
    return any(_fits(record, json.loads(each["Pattern"])) for each in filters)


@cache
def _source(function: str) -> Any:
    return load_template()["Resources"][function]["Properties"]["Events"]["Stream"]["Properties"]


def _records(client: "DynamoDBClient", table: str) -> Iterator[dict[str, Any]]:
    streams = boto3.client(
        "dynamodbstreams",
        endpoint_url=client.meta.endpoint_url,
        region_name=REGION,
        aws_access_key_id=DUMMY_ACCESS_KEY,
        aws_secret_access_key=DUMMY_ACCESS_KEY,
        config=Config(parameter_validation=False),  # Dynoxide's shard ids are shorter than AWS's
    )
    arn = client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for _ in range(PAGES_MAX):
            page = streams.get_records(ShardIterator=iterator)
            yield from map(_as_lambda_has_it, page["Records"])
            if not page["Records"]:
                break
            iterator = page["NextShardIterator"]
        else:
            raise AssertionError("the stream did not end")


def _as_lambda_has_it(record: Mapping[str, Any]) -> dict[str, Any]:
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    return {**record, "dynamodb": change}


def _fits(value: object, pattern: object) -> bool:
    """Whether a record fits a filter pattern, as far as ours use them: exact values, and prefixes."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_fits(value.get(name), inner) for name, inner in pattern.items())
    assert isinstance(pattern, list)
    return any(str(value).startswith(each["prefix"]) if isinstance(each, dict) else value == each for each in pattern)


def total_by_type(events: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Return the sum of forwarded events' quantities, by type."""
    totals: dict[str, Decimal] = {}
    for event in events:
        totals[event["type"]] = totals.get(event["type"], Decimal(0)) + Decimal(event["data"]["quantity"])
    return totals
