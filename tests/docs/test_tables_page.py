"""What docs/tables.md asks DuckDB, and what its columns are."""

import re
from pathlib import Path

import duckdb
import pytest

from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.reduced.arrow_rows import SCHEMA
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("question", "shown"), QUESTIONS)
def test_question_has_the_answer_shown(
    question: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB reads a reduced capture as it is."""
    monkeypatch.chdir(ROOT)
    table = tmp_path / "capture.parquet"
    with table.open("wb") as stream:
        reduce_captures(stream, [Path("fixtures/outcomes")])
    found = duckdb.sql(question.replace("capture.parquet", str(table)))
    assert found is not None
    rows = [tuple(found.columns), *found.fetchall()]
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    assert "\n".join(lines) + "\n" == shown


def test_three_questions_are_asked() -> None:
    """The pattern above finds them."""
    assert len(QUESTIONS) == 3


def test_every_column_is_described() -> None:
    """By its name, or as that of either end."""
    columns, ends = PAGE.split("and of each end")
    named = set(re.findall(r"`(\w+)`", columns))
    of_ends = set(re.findall(r"`(\w+)`", ends.split("The file's metadata")[0]))
    named |= {f"{end}_{name}" for end in ("low", "high") for name in of_ends}
    assert set(SCHEMA.names) <= named
