"""What the logger does before a call, by LiteLLM's type of it (1.109.1): hold units, look at the quota, or nothing.

A type that is not named here is checked: a new kind of call is no way around a limit.
"""

import re
from typing import Final

ANSWERING: Final = frozenset(
    {
        "completion",
        "acompletion",
        "text_completion",
        "atext_completion",
        "responses",
        "aresponses",
        "acompact_responses",
        "anthropic_messages",
        "aanthropic_messages",
        "generate_content",
        "agenerate_content",
        "generate_content_stream",
        "agenerate_content_stream",
    }
)
"""Calls that produce tokens."""

PASSED_THROUGH: Final = frozenset({"pass_through_endpoint", "llm_passthrough_route", "allm_passthrough_route"})
"""Calls in a provider's own format, which LiteLLM passes on. What they may produce is read as well as it can be."""

READING: Final = frozenset({"embedding", "aembedding", "rerank", "arerank"})
"""Calls whose tokens all go in."""

MAKING: Final = frozenset(
    {
        "image_generation",
        "aimage_generation",
        "image_edit",
        "aimage_edit",
        "transcription",
        "atranscription",
        "speech",
        "aspeech",
        "ocr",
        "aocr",
    }
)
"""Calls that take or make media: their tokens are not to be told from the request."""

PRODUCING: Final = ANSWERING | PASSED_THROUGH | MAKING
HELD: Final = PRODUCING | READING
"""Calls that units are held for."""

WITH_INNER_CALLS: Final = frozenset(
    {"generate_content", "agenerate_content", "generate_content_stream", "agenerate_content_stream"}
)
"""Calls that LiteLLM may make as another call, under an id of its own."""

_FREE: Final = re.compile(
    r"a?(get|list|retrieve|delete|cancel|update)_\w+"
    r"|\w+_(retrieve|list|delete|content|status|cancel|update|get_character|retrieve_job)"
    r"|a?moderation|a?create_(file|agent|skill|container|thread|assistants)|a?_?add_message"
    r"|a?vector_store_(create|file_create)|a?upload_container_file"
    r"|list_mcp_tools|call_mcp_tool|apply_guardrail|discovery"
)


def is_free(call_type: str) -> bool:
    """Whether a call uses nothing of a model: it reads, lists, cancels, deletes or stores."""
    return call_type not in HELD and _FREE.fullmatch(call_type) is not None
