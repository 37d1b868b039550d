"""Answers of functions that have no routes, or not in time: in the form of Lambda (payload 2.0)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pancake_meter.http import json
from pancake_meter.http.problem import PROBLEM_JSON, Problem

JSON: Final = "application/json"


def lambda_answer(
    status: HTTPStatus, content: object, headers: Mapping[str, str] | None = None, content_type: str = JSON
) -> dict[str, Any]:
    """Return an answer whose body is ``content`` as JSON."""
    sent = {**(headers or {}), "Content-Type": content_type}
    return {"statusCode": status.value, "headers": sent, "body": json.dumps(content)}


def lambda_problem(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the answer that tells a problem."""
    return lambda_answer(problem.status, problem.body(request_id), problem.all_headers, PROBLEM_JSON)
