from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a GPU, and is skipped with the reason where there is none."""
    here = [item for item in items if HERE in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.gpu)
    if here and (reason := _missing()):
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


def _missing() -> str | None:
    import torch

    if not torch.cuda.is_available():
        return "needs an NVIDIA GPU: none is seen here"
    if torch.cuda.get_device_capability()[0] != 9:
        return "needs a Hopper GPU (H100, H200): the kernels are written and checked for it"
    return None
