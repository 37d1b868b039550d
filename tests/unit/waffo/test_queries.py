"""GraphQL queries."""

import pytest
from graphql import FieldNode, OperationDefinitionNode, OperationType, SelectionSetNode, parse

from pancake_meter.waffo import queries

ALL = {name: text for name, text in vars(queries).items() if name.isupper() and not name.startswith("_")}
MAX_DEPTH = 7


def _depth(selections: SelectionSetNode | None) -> int:
    if selections is None:
        return 0
    return 1 + max(_depth(field.selection_set) for field in selections.selections if isinstance(field, FieldNode))


@pytest.mark.parametrize("text", ALL.values(), ids=ALL.keys())
def test_every_query_only_reads_and_stays_within_waffos_depth(text: str) -> None:
    # When
    (operation,) = parse(text).definitions
    # Then: a mutation would be a 403, a deeper query a 400
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.operation is OperationType.QUERY
    assert operation.name is not None
    assert 1 <= _depth(operation.selection_set) <= MAX_DEPTH


def test_there_are_queries() -> None:
    assert len(ALL) == 11
