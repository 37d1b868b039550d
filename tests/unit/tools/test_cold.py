"""The benchmark of cold starts measures every function as it is deployed."""

from pathlib import Path

from tools.cfn_template import load_template
from tools.cold import FLOOR, Measured, imports, table


def test_every_function_is_measured_with_its_layers(tmp_path: Path) -> None:
    # When
    measured = imports(tmp_path, tmp_path / "runtime")
    # Then
    functions = [each for each in load_template()["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    assert set(measured) == {FLOOR, *(each["Properties"]["Handler"].partition(".")[0] for each in functions)}
    shared, pages = tmp_path / "SharedLayer" / "python", tmp_path / "PagesLayer" / "python"
    assert measured["quota_check"].paths == (tmp_path / "QuotaCheckFunction", shared, tmp_path / "runtime")
    assert measured["customer_pages"].paths == (tmp_path / "CustomerPagesFunction", shared, pages, tmp_path / "runtime")


def test_the_table_has_the_median_and_its_ratio_to_the_floor() -> None:
    found = {FLOOR: Measured([0.1, 0.2, 0.9], 365), "quota_check": Measured([0.5, 0.3, 0.2], 720)}
    assert table(found).splitlines()[2:] == [f"| {FLOOR} | 200 | 1.00 | 365 |", "| quota_check | 300 | 1.50 | 720 |"]
