"""The dialects of usage objects: under which names each library states its token counts, and what stands inside what.

Checked against the libraries' own types: openai, anthropic, groq, mistralai, google-genai, cohere, langchain-core, botocore
(Bedrock's Converse), the AI SDK 4 to 6, OpenTelemetry's ``gen_ai`` attributes, and LiteLLM 1.109's transformations.
"""

from typing import Final

from pancake_meter.value import Value

Names = tuple[str, ...]
"""Paths of one count, dotted. More than one is stated by some libraries; then they are equal."""


class Dialect(Value):
    """``input``, ``output`` and ``total`` are the wholes; the others are parts of them.

    ``more_input`` is input beside ``input``. ``uncached`` is the input without what was cached. ``is_cache_beside``: the
    cached tokens are beside ``input``, not inside. ``cache_write_parts`` are what was written by lifetime: their sum is
    ``cache_write``, also where that is stated as nothing. ``is_reasoning_beside``: the reasoning is beside ``output``, where
    no total says otherwise. ``needs``: the dialect is recognised by one of these paths, ``not_with`` rules it out.
    """

    input: Names
    output: Names
    total: Names = ()
    cache_read: Names = ()
    cache_write: Names = ()
    cache_write_parts: Names = ()
    reasoning: Names = ()
    uncached: Names = ()
    more_input: Names = ()
    is_cache_beside: bool = False
    is_reasoning_beside: bool = False
    needs: Names = ()
    not_with: Names = ()


_ANTHROPIC_CACHE: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
_BEDROCK_CACHE: Final = (
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
    "cacheReadInputTokenCount",
    "cacheWriteInputTokenCount",
)
_INPUT_DETAILS: Final = ("input_tokens_details", "input_token_details", "cache_read", "cache_creation.input_tokens")

_AI_SDK_6: Final = ("inputTokenDetails", "inputTokens.total")
_OF_ANTHROPIC: Final = "providerMetadata.anthropic"

CHAT: Final = Dialect(
    # OpenAI, LiteLLM, DeepSeek, Groq, Mistral, xAI, Moonshot, Perplexity
    input=("prompt_tokens",),
    output=("completion_tokens",),
    total=("total_tokens",),
    cache_read=(
        "prompt_tokens_details.cached_tokens",
        "cache_read_input_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
    ),
    cache_write=(
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "cache_creation_input_tokens",
    ),
    reasoning=("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
    uncached=("prompt_cache_miss_tokens",),
)
RESPONSES: Final = Dialect(
    # OpenAI's responses, realtime and transcriptions; LangChain; OpenTelemetry without its prefix
    input=("input_tokens",),
    output=("output_tokens",),
    total=("total_tokens",),
    cache_read=(
        "input_tokens_details.cached_tokens",
        "input_token_details.cached_tokens",
        "input_token_details.cache_read",
        "input_token_details.priority_cache_read",
        "input_token_details.flex_cache_read",
        "cache_read.input_tokens",
        "cache_read_input_tokens",
    ),
    cache_write=(
        "input_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_creation_tokens",
        "input_token_details.cache_creation",
        "cache_creation.input_tokens",
        "cache_creation_input_tokens",
    ),
    cache_write_parts=(
        "input_token_details.ephemeral_5m_input_tokens",
        "input_token_details.ephemeral_1h_input_tokens",
    ),
    reasoning=(
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning_tokens",
        "output_token_details.reasoning",
        "output_token_details.priority_reasoning",
        "output_token_details.flex_reasoning",
        "output_tokens_details.thinking_tokens",
        "reasoning.output_tokens",
    ),
)
ANTHROPIC: Final = Dialect(
    input=("input_tokens",),
    output=("output_tokens",),
    total=("total_tokens",),
    cache_read=("cache_read_input_tokens",),
    cache_write=("cache_creation_input_tokens",),
    cache_write_parts=("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"),
    reasoning=("output_tokens_details.thinking_tokens", "output_tokens_details.reasoning_tokens"),
    is_cache_beside=True,
    needs=_ANTHROPIC_CACHE,
    not_with=_INPUT_DETAILS,
)
GEMINI: Final = Dialect(
    input=("promptTokenCount",),
    more_input=("toolUsePromptTokenCount",),
    output=("candidatesTokenCount", "responseTokenCount"),
    total=("totalTokenCount",),
    cache_read=("cachedContentTokenCount",),
    reasoning=("thoughtsTokenCount",),
    is_reasoning_beside=True,
)
GEMINI_PYTHON: Final = Dialect(
    input=("prompt_token_count",),
    more_input=("tool_use_prompt_token_count",),
    output=("candidates_token_count", "response_token_count"),
    total=("total_token_count",),
    cache_read=("cached_content_token_count",),
    reasoning=("thoughts_token_count",),
    is_reasoning_beside=True,
)
BEDROCK: Final = Dialect(
    input=("inputTokens",),
    output=("outputTokens",),
    total=("totalTokens",),
    cache_read=("cacheReadInputTokens", "cacheReadInputTokenCount"),
    cache_write=("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
    is_cache_beside=True,
    needs=_BEDROCK_CACHE,
)
AI_SDK_6: Final = Dialect(
    # In application code, and the providers' own form
    input=("inputTokens", "inputTokens.total"),
    output=("outputTokens", "outputTokens.total"),
    total=("totalTokens",),
    cache_read=("inputTokenDetails.cacheReadTokens", "cachedInputTokens", "inputTokens.cacheRead"),
    cache_write=("inputTokenDetails.cacheWriteTokens", "inputTokens.cacheWrite"),
    reasoning=("outputTokenDetails.reasoningTokens", "reasoningTokens", "outputTokens.reasoning"),
    uncached=("inputTokenDetails.noCacheTokens", "inputTokens.noCache"),
    needs=_AI_SDK_6,
    not_with=_BEDROCK_CACHE,
)
AI_SDK_5: Final = Dialect(
    input=("inputTokens",),
    output=("outputTokens",),
    total=("totalTokens",),
    cache_read=("cachedInputTokens",),
    reasoning=("reasoningTokens",),
    not_with=(*_BEDROCK_CACHE, *_AI_SDK_6, _OF_ANTHROPIC),
)
AI_SDK_5_ANTHROPIC: Final = Dialect(
    # Its provider for Anthropic passes on that API's counts, where the others' have the cached tokens inside the input
    input=("inputTokens",),
    output=("outputTokens",),
    total=("totalTokens",),
    cache_read=("cachedInputTokens",),
    cache_write=(f"{_OF_ANTHROPIC}.cacheCreationInputTokens",),
    is_cache_beside=True,
    needs=(_OF_ANTHROPIC,),
    not_with=(*_BEDROCK_CACHE, *_AI_SDK_6),
)
AI_SDK_4: Final = Dialect(input=("promptTokens",), output=("completionTokens",), total=("totalTokens",))
OPENTELEMETRY: Final = Dialect(
    input=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    output=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    total=("gen_ai.usage.total_tokens",),
    cache_read=("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    cache_write=("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
    reasoning=("gen_ai.usage.reasoning.output_tokens",),
)
COHERE: Final = Dialect(
    input=("tokens.input_tokens",), output=("tokens.output_tokens",), cache_read=("cached_tokens",), needs=("tokens",)
)
COHERE_BILLED: Final = Dialect(
    # Where nothing but the billed units is stated
    input=("billed_units.input_tokens",),
    output=("billed_units.output_tokens",),
    needs=("billed_units",),
    not_with=("tokens",),
)

DIALECTS: Final = (
    CHAT,
    RESPONSES,
    ANTHROPIC,
    GEMINI,
    GEMINI_PYTHON,
    BEDROCK,
    AI_SDK_6,
    AI_SDK_5,
    AI_SDK_5_ANTHROPIC,
    AI_SDK_4,
    OPENTELEMETRY,
    COHERE,
    COHERE_BILLED,
)
