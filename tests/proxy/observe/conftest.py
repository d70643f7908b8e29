from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.observe.rows import Row, RowBank
from tests.proxy.observe.reading import CELLS


@pytest.fixture
def row() -> Iterator[Row]:
    row = RowBank(len(CELLS)).open_row()
    yield row
    row.close()
