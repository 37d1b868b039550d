"""A callback for the proxy itself: every call becomes a row as the proxy's own code would write it to its database.

The proxy's database needs a program that no registry carries; the rows are the same without it. This file is loaded by
LiteLLM, in its own environment, and imported by nothing of ours. SPEND_LOG_FILE names the file, one JSON object a line.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload

LEFT_OUT = ("messages", "response", "proxy_server_request")


class SpendLogFile(CustomLogger):
    """Appends a row for each call, successful or not, before anything else is told of it."""

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call that went well."""
        _append(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A call that failed; the proxy says so in the metadata before it makes the row."""
        kwargs["litellm_params"]["metadata"]["status"] = "failure"
        _append(kwargs, response_obj, start_time, end_time)


def _append(kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
    row = get_logging_payload(kwargs=kwargs, response_obj=response_obj, start_time=start_time, end_time=end_time)
    # As the API has it: JSON columns are objects, times are texts in UTC, and the large columns are left out.
    content = {name: value for name, value in row.items() if name not in LEFT_OUT}
    content["metadata"] = json.loads(row["metadata"])
    with Path(os.environ["SPEND_LOG_FILE"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(content, default=_text) + "\n")


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


spend_log_file = SpendLogFile()
