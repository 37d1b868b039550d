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
    return lambda_form(status.value, json.dumps(content), headers or {}, content_type)


def lambda_form(status: int, body: str | None, headers: Mapping[str, Any], content_type: str | None) -> dict[str, Any]:
    """Return an answer in the form of Lambda."""
    return {"statusCode": status, "headers": {**headers, "Content-Type": content_type}, "body": body}


def lambda_problem(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the answer that tells a problem."""
    return lambda_answer(problem.status, problem.body(request_id), problem.all_headers, PROBLEM_JSON)
