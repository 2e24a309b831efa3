"""Checkpoints on the hub: which there are, how large, fetched with their hashes checked."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tasks.engines.models.layouts import HEADER_MAX, MAIN_REPO, TEXT_ENCODER, VAE, Checkpoint

PARTS: Final = (f"{VAE}/*", f"{TEXT_ENCODER}/*")
TOKENIZER: Final = tuple(f"{TEXT_ENCODER}/{name}" for name in ("*.json", "*.txt", "*.jinja"))
BLOCK = 2**22
SHA256, GIT_SHA1 = 64, 40  # digits of what the hub's cache names a file's content by


@dataclass(frozen=True)
class Wanted:
    """Files of one repository; all where no patterns are given."""

    repo: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """What can be fetched under one name."""

    name: str
    wanted: tuple[Wanted, ...]
    about: str

    @property
    def model(self) -> str:
        """What `TUTTI_MODEL` is set to for it."""
        return self.wanted[0].repo


def _published(name: str, about: str) -> Offer:
    """A DiT folder by itself; VAE and text encoder come from the main repository."""
    return Offer(name, (Wanted(f"ACE-Step/acestep-v15-{name}"), Wanted(MAIN_REPO, PARTS)), about)


OFFERS: Final = (
    Offer("turbo", (Wanted(MAIN_REPO, ("acestep-v15-turbo/*", *PARTS)),), "8 steps; the default"),
    _published("turbo-shift1", "turbo, trained with shift 1"),
    _published("turbo-shift3", "turbo, trained with shift 3"),
    _published("turbo-continuous", "turbo, trained with any shift"),
    _published("base", "50 steps with guidance; all tasks"),
    _published("sft", "50 steps with guidance; finer, without extract, lego and complete"),
    _published("xl-turbo", "4 billion parameters, 8 steps"),
    _published("xl-base", "4 billion parameters, 50 steps"),
    _published("xl-sft", "4 billion parameters, 50 steps"),
    Offer("parts", (Wanted(MAIN_REPO, PARTS),), "VAE and text encoder, which every DiT folder needs"),
    Offer("tokenizer", (Wanted(MAIN_REPO, TOKENIZER),), "the tokenizer, which ComfyUI's files lack"),
)


def offer_of(name: str) -> Offer:
    """What to fetch for a name of the list, or for a hub id.

    Raises:
        ValueError: It is neither.
    """
    for offer in OFFERS:
        if name in {offer.name, offer.model} and not (
            offer.model == name == MAIN_REPO and offer.name != "turbo"
        ):
            return offer
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Offer(name, (Wanted(name),), "a repository of your own choice")
    known = ", ".join(offer.name for offer in OFFERS)
    raise ValueError(f"{name} is no hub id and none of: {known}")


@dataclass(frozen=True)
class Size:
    """Bytes of an offer, and how many of them are here already."""

    total: int
    here: int


def size_of(offer: Offer) -> Size:
    """Ask the hub how large an offer is.

    Raises:
        huggingface_hub.errors.HfHubHTTPError, httpx.HTTPError: The hub does not answer, or has no such model.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache

    total = here = 0
    for wanted in offer.wanted:
        info = HfApi().model_info(wanted.repo, files_metadata=True)
        for file in info.siblings or ():
            if _matches(file.rfilename, wanted.patterns):
                total += file.size or 0
                cached = try_to_load_from_cache(wanted.repo, file.rfilename, revision=info.sha)
                here += (file.size or 0) if isinstance(cached, str) else 0
    return Size(total, here)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def room() -> int:
    """Bytes that are free where the hub's cache lies."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def fetch(offer: Offer) -> Path:
    """Fetch into the hub's cache, with a progress bar; what is there already is not fetched again.

    Returns:
        The folder of the first repository.
    """
    from huggingface_hub import snapshot_download

    places = [
        snapshot_download(wanted.repo, allow_patterns=list(wanted.patterns) or None)
        for wanted in offer.wanted
    ]
    return Path(places[0])


def check(found: Checkpoint) -> Iterator[tuple[Path, str | None]]:
    """Each weight file and what is wrong with it; None where nothing is.

    A file of the hub's cache is held against the hash that names it; any other against the lengths that its
    header states.
    """
    for file in found.files():
        yield file, _wrong_hash(file) if file.is_symlink() else _wrong_length(file)


def _wrong_hash(file: Path) -> str | None:
    name = file.resolve().name
    if len(name) == SHA256:
        known = hashlib.sha256()
    elif len(name) == GIT_SHA1:
        known = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        return _wrong_length(file)
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            known.update(block)
    return None if known.hexdigest() == name else "its content is not what was published; fetch it again"


def _wrong_length(file: Path) -> str | None:
    with file.open("rb") as source:
        size = int.from_bytes(source.read(8), "little")
        if size > HEADER_MAX:
            return "it is no safetensors file"
        header = json.loads(source.read(size))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    missing = 8 + size + max(ends, default=0) - file.stat().st_size
    return None if missing == 0 else f"it is {abs(missing):,} bytes too {'short' if missing > 0 else 'long'}"
