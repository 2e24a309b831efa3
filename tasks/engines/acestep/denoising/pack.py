"""The pack: the songs that take a step together, and the buffers they sit in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.engines.acestep.denoising.dit import PackedDiT
from tasks.engines.acestep.denoising.key_value_pool import KeyValuePool
from tasks.engines.acestep.denoising.sampler import STILL, advance_pack, coefficients
from tasks.engines.acestep.denoising.state import SongState
from tasks.engines.acestep.kernels.graphs import Graphs
from tasks.engines.acestep.kernels.packing import LEAST, Document, Tables, pack_bucket


def tokens_of(state: SongState, patch: int) -> int:
    """Tokens that a song brings to a pack, over all its documents."""
    return state.plan.passes * -(-state.plan.latents // patch)


class Pack:
    """Static buffers for up to `tokens` tokens and `places` documents.

    The buffers stay where they are, because captured graphs read them there; songs are moved in and out.
    Rows beyond a bucket's songs hold whatever was there: they are a document of their own.
    """

    def __init__(self, dit: PackedDiT, pool: KeyValuePool, tokens: int, places: int) -> None:
        self.dit, self.pool, self.places = dit, pool, places
        rows, width = tokens * dit.patch, dit.channels
        self._x = torch.zeros(rows, width, dtype=dit.dtype, device=dit.device)
        self._context = torch.zeros(rows, 2 * width, dtype=dit.dtype, device=dit.device)
        self._velocity = torch.zeros(rows, width, dtype=dit.dtype, device=dit.device)
        self._modulation = torch.zeros(places + 1, 6, dit.hidden, dtype=dit.dtype, device=dit.device)
        self._time = torch.zeros(places + 1, dit.hidden, dtype=dit.dtype, device=dit.device)
        if dit.patch % 2:
            raise ValueError("this network's patches hold an odd number of latents, which no ACE-Step's do")
        self._numbers = torch.zeros(places + 1, len(STILL), dtype=torch.float32, device=dit.device)
        self._blank = torch.zeros(dit.patch, 2 * width, dtype=dit.dtype, device=dit.device)
        self._tables: dict[int, Tables] = {}
        self._graphs = Graphs(dit.device, enabled=dit.compiled)
        self._seated: list[SongState] = []
        self._start_of: dict[int, int] = {}  # first row of each song that is seated
        self._bucket = 0

    @torch.inference_mode()
    def step(self, states: Sequence[SongState], dit: PackedDiT, spare: Document) -> None:
        """Take every song through one pass of the network; `spare` names keys that stand for no condition."""
        self._seat(states, dit, spare)
        self._set_times(states, dit)
        self._run(dit)
        self._guide(states)
        singly = [state for state in states if not state.sampler.plain]
        own = [(state, self._advance_alone(state)) for state in singly]
        self._advance_plain(dit)
        for state, x in own:
            self._put(state, x)
        for state in states:
            if (held := state.sampler.hold(state.latents, state.step)) is not None:
                self._put(state, held)
            state.taken += 1

    def _advance_plain(self, dit: PackedDiT) -> None:
        rows = self._bucket * dit.patch
        numbers = self._numbers[self._tables[self._bucket].index.row]
        self._x[:rows].copy_(advance_pack(self._x[:rows], self._velocity[:rows], numbers))

    def _advance_alone(self, state: SongState) -> Tensor:
        start = self._start_of[id(state)]
        velocity = self._velocity[start : start + state.plan.latents]
        return state.sampler.advance(state.latents, velocity, state.step)

    def _put(self, state: SongState, x: Tensor) -> None:
        """Write a song's latents into each of its documents."""
        state.latents.copy_(x)
        start, latents = self._start_of[id(state)], state.plan.latents
        for number in range(1, state.plan.passes):
            other = start + number * -(-latents // self.dit.patch) * self.dit.patch
            self._x[other : other + latents].copy_(x)

    def refresh(self) -> None:
        """Read keys and contexts anew at the next step, since a song's have changed."""
        self._bucket = 0

    def leave(self, state: SongState) -> None:
        """Let a song take its latents with it, before its rows are used again."""
        if state in self._seated:
            state.latents = state.latents.clone()
            self._seated.remove(state)
            self._bucket = 0

    def _seat(self, states: Sequence[SongState], dit: PackedDiT, spare: Document) -> None:
        if self._bucket and self._seated == list(states) and self.dit is dit:
            return
        for state in [s for s in self._seated if s not in states]:
            self.leave(state)
        self.dit = dit
        self._lay_out(states, spare)
        self._move_in(states)
        self._seated = list(states)

    def _lay_out(self, states: Sequence[SongState], spare: Document) -> None:
        documents, rows = [], []
        for state in states:
            documents += self._documents(state, spare)
            rows += [state.plan.latents] * state.plan.passes
        self._bucket = pack_bucket(sum(d.tokens for d in documents))
        tables = self._tables.get(self._bucket)
        if tables is None:
            spans = self.dit.attention.needs_spans
            places = min(self.places, self._bucket // LEAST)
            tables = Tables(self._bucket, places, self.dit.patch, self.dit.device, spans=spans)
            self._tables[self._bucket] = tables
        tables.fill(documents, rows, spare)

    def _documents(self, state: SongState, spare: Document) -> list[Document]:
        if state.key_start is None:
            raise RuntimeError("a song came to the pack without its keys")
        tokens = -(-state.plan.latents // self.dit.patch)
        own = Document(tokens, state.key_start, state.rows)
        empty = Document(tokens, spare.key_start, spare.keys)
        return [own, empty][: state.plan.passes]

    def _move_in(self, states: Sequence[SongState]) -> None:
        """Copy latents and contexts to their new rows; joined first, since rows may overlap old ones."""
        latents: list[Tensor] = []
        contexts: list[Tensor] = []
        for state in states:
            if state.context is None:
                raise RuntimeError("a song came to the pack without its context")
            fill = -state.plan.latents % self.dit.patch
            for _ in range(state.plan.passes):
                latents += [state.latents, self._blank[:fill, : self._x.shape[1]]]
                contexts += [state.context, self._blank[:fill]]
        joined = torch.cat(latents)
        self._x[: joined.shape[0]].copy_(joined)
        joined = torch.cat(contexts)
        self._context[: joined.shape[0]].copy_(joined)
        self._start_of = {id(s): start for s, start in zip(states, self._starts(states), strict=True)}
        for state in states:
            start = self._start_of[id(state)]
            state.latents = self._x[start : start + state.plan.latents]

    def _starts(self, states: Sequence[SongState]) -> list[int]:
        """Each song's first row."""
        starts, row = [], 0
        for state in states:
            starts.append(row)
            row += tokens_of(state, self.dit.patch) * self.dit.patch
        return starts

    def _set_times(self, states: Sequence[SongState], dit: PackedDiT) -> None:
        moments, numbers = [], []
        for state in states:
            step = state.step
            moments += [dit.times(step.time)] * state.plan.passes
            own = coefficients(state.plan, step) if state.sampler.plain else STILL
            numbers += [own] * state.plan.passes
        count = len(moments)
        torch.stack([moment.modulation for moment in moments], out=self._modulation[:count])
        torch.stack([moment.out for moment in moments], out=self._time[:count])
        # rows that only fill up a patch belong to the tail's document, whose numbers stay zero
        host = torch.zeros(self._numbers.shape, pin_memory=self._numbers.is_cuda)
        host[:count] = torch.tensor(numbers)
        self._numbers.copy_(host, non_blocking=True)

    def _run(self, dit: PackedDiT) -> None:
        rows = self._bucket * dit.patch
        tables = self._tables[self._bucket]
        documents = tables.places + 1

        def forward() -> None:
            out = dit.velocity(
                self._x[:rows],
                self._context[:rows],
                self._modulation[:documents],
                self._time[:documents],
                tables.index,
                self.pool,
            )
            self._velocity[:rows].copy_(out)

        self._graphs.run((id(dit), self._bucket), forward)

    def _guide(self, states: Sequence[SongState]) -> None:
        """Put the guided velocity into both documents of each guided song, so that they stay one."""
        for state in states:
            if state.sampler.guidance is None:
                continue
            start = self._start_of[id(state)]
            latents = state.plan.latents
            second = start + -(-latents // self.dit.patch) * self.dit.patch
            own = self._velocity[start : start + latents]
            other = self._velocity[second : second + latents]
            guided = state.sampler.guidance(state.latents, own, other, state.step)
            own.copy_(guided)
            other.copy_(guided)

    def forget(self, dit: PackedDiT) -> None:
        """Drop the graphs of weights that leave."""
        self._graphs.forget(id(dit))
