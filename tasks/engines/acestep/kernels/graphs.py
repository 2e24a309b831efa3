"""CUDA graphs: a whole step recorded once a bucket, so that launching it costs the host nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch

Key = tuple[int, int]

ALWAYS = 2_048
"""Up to so many tokens the host is slower than the device, so a step is recorded at its first use; larger
buckets, whose first run is no slower without, are recorded when they come again."""


class Graphs:
    """Recorded steps by (weights, bucket). All share one memory pool, since they never run at once."""

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self._enabled = enabled and device.type == "cuda"
        self._graphs: dict[Key, torch.cuda.CUDAGraph] = {}
        self._seen: set[Key] = set()
        self._refused: set[Key] = set()  # there was no memory for a record
        self._pool = torch.cuda.graph_pool_handle() if self._enabled else None

    def run(self, key: Key, forward: Callable[[], None]) -> None:
        """Run a step, recorded where that pays."""
        if not self._enabled:
            forward()
        elif (graph := self._graphs.get(key)) is not None:
            graph.replay()
        elif key not in self._refused and (key in self._seen or key[1] <= ALWAYS):
            self._record(key, forward)
        else:
            self._seen.add(key)
            forward()

    def forget(self, weights: int) -> None:
        """Drop the graphs of these weights."""
        for key in [key for key in self._graphs if key[0] == weights]:
            del self._graphs[key]
        self._seen = {key for key in self._seen if key[0] != weights}
        self._refused = {key for key in self._refused if key[0] != weights}

    def _record(self, key: Key, forward: Callable[[], None]) -> None:
        """Run a step and record it; where that takes more memory than there is, it was still run."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            forward()  # everything is compiled and allocated before it is recorded
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                forward()
        except torch.OutOfMemoryError:
            self._refused.add(key)
        else:
            self._graphs[key] = graph
