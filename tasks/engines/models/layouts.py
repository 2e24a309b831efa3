"""What lies where: one ACE-Step checkpoint in any of the layouts in which people have it.

- diffusers': a folder with model_index.json
- the original: `acestep-v15-*` beside `vae` and `Qwen3-Embedding-0.6B`, or one of these folders by itself
- ComfyUI's: one safetensors file with everything, or `diffusion_models`, `text_encoders` and `vae`
- a hub id of any of these, as far as it is in the hub's cache

Nothing is fetched here and no weight is read, only the names in the files' headers.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Layout = Literal["diffusers", "original", "comfyui"]

MODEL_INDEX: Final = "model_index.json"  # what every pipeline in diffusers' layout has
MAIN_REPO: Final = "ACE-Step/Ace-Step1.5"
TEXT_ENCODER, VAE = "Qwen3-Embedding-0.6B", "vae"
TOKENIZER_FILE, SILENCE_FILE = "tokenizer.json", "silence_latent.pt"
PICKLES: Final = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
PREFERRED: Final = ("acestep-v15-turbo", "acestep-v15-xl-turbo", "acestep-v15-sft", "acestep-v15-base")
HEADER_MAX = 100 * 2**20  # safetensors' own limit

DIT_MARK = "decoder.proj_in.1.weight"  # what tells ACE-Step 1.5 from others
AIO = {"dit": "model.diffusion_model.", "vae": "vae."}
AIO_TEXT = "text_encoders.qwen3_06b.transformer.model."


class ModelMissing(FileNotFoundError):
    """There is no checkpoint there, or a part of one is missing; the message says which and what to do."""


@dataclass(frozen=True)
class Weights:
    """Tensors of one component: those in these files whose names start with `prefix`."""

    files: tuple[Path, ...]
    prefix: str = ""
    config: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One checkpoint, found.

    Attributes:
        name: What tells its variant: a folder, a file or a hub id.
        folder: Where it is; for diffusers' layout all there is to know.
        silence: The file with the latents of silence, where one was saved.
    """

    name: str
    layout: Layout
    folder: Path
    dit: Weights
    vae: Weights | None = None
    text: Weights | None = None
    tokenizer: Path | None = None
    silence: Path | None = None

    def config(self) -> dict[str, Any]:
        """What the checkpoint says of itself; empty where only shapes tell."""
        return {} if self.dit.config is None else read_json(self.dit.config)

    def sample_rate(self) -> int | None:
        """Frames a second of its sound, where the decoder's config says it."""
        file = self.folder / "vae" / "config.json" if self.vae is None else self.vae.config
        rate = read_json(file).get("sampling_rate") if file is not None and file.is_file() else None
        return rate if isinstance(rate, int) else None

    def files(self) -> list[Path]:
        """All weight files, each once."""
        parts = [part for part in (self.dit, self.vae, self.text) if part is not None]
        return sorted({file for part in parts for file in part.files})


def find(model: str) -> Checkpoint:
    """The checkpoint that `TUTTI_MODEL` names: a folder, a file, or a hub id in the local cache.

    Raises:
        ModelMissing: There is none, it is incomplete, or its format is not read here.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return _single(path)
    if path.is_dir():
        return _folder(path, path.name)
    if (cached := cached_folder(model)) is not None:
        return _folder(cached, model)
    raise ModelMissing(
        f"there is no model {model!r} on this machine; name a folder or a file, or run `tutti model fetch`"
    )


def cached_folder(repo: str) -> Path | None:
    """The newest snapshot of a hub id in the local cache; nothing is fetched."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        return None


def read_json(file: Path) -> dict[str, Any]:
    """What a config.json or an index says.

    Raises:
        ModelMissing: It is no JSON object.
    """
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelMissing(f"{file} is cut off or no JSON object; fetch it again")
    return found


def names(file: Path) -> list[str]:
    """The tensors' names in a safetensors file, read from its header.

    Raises:
        ModelMissing: It is no safetensors file.
    """
    with file.open("rb") as source:
        start = source.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_MAX + 1
        if size > HEADER_MAX:
            raise ModelMissing(f"{file} is no safetensors file; fetch it again")
        try:
            header = json.loads(source.read(size))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise ModelMissing(f"{file} is cut off or no safetensors file; fetch it again")
    return [name for name in header if name != "__metadata__"]


def shards(folder: Path, stem: str = "model") -> tuple[Path, ...]:
    """The weight files of a folder: STEM.safetensors, or the shards that its index lists.

    Raises:
        ModelMissing: There are none, or a shard is missing.
    """
    index, single = folder / f"{stem}.safetensors.index.json", folder / f"{stem}.safetensors"
    if index.is_file():
        listed = read_json(index).get("weight_map")
        if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
            raise ModelMissing(f"{index} lists no shards; fetch it again")
        files = tuple(folder / Path(name).name for name in sorted(set(listed.values())))
        if missing := [file.name for file in files if not file.is_file()]:
            raise ModelMissing(f"{folder} lacks {', '.join(missing)}; run `tutti model fetch` to complete it")
        return files
    if single.is_file():
        return (single,)
    if found := sorted(file.name for file in folder.glob("*") if file.suffix in PICKLES - {".pt"}):
        raise ModelMissing(
            f"{folder} holds {found[0]}, a pickle, which could run any code; convert it to safetensors"
        )
    raise ModelMissing(f"{folder} holds no {single.name}; run `tutti model fetch`")


def _folder(folder: Path, name: str) -> Checkpoint:
    if (folder / MODEL_INDEX).is_file():
        return _diffusers(folder, name)
    if _is_dit(folder):
        return _original(folder, name)
    if dits := _dits_below(folder):
        return _original(dits[0], dits[0].name)
    if (folder / "split_files").is_dir():
        folder = folder / "split_files"
    if (split := folder / "diffusion_models").is_dir():
        return _single(_choose_file(split.glob("*.safetensors"), split))
    if (whole := folder / "checkpoints").is_dir():
        return _folder(whole, name)
    if files := [file for file in sorted(folder.glob("*.safetensors")) if _kind_of(file) is not None]:
        return _single(_choose_file(files, folder))
    if gguf := sorted(folder.glob("*.gguf")):
        raise ModelMissing(f"{gguf[0].name} is GGUF, which is not read here; use safetensors")
    raise ModelMissing(f"{folder} holds no ACE-Step 1.5 in a layout that is known here; see docs/acestep.md")


def _is_dit(folder: Path) -> bool:
    config = folder / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "acestep"


def _dits_below(folder: Path) -> list[Path]:
    """DiT folders, the one to take first: turbo, as upstream does."""
    found = [below for below in sorted(folder.glob("acestep-v15-*")) if _is_dit(below)]
    order = {name: place for place, name in enumerate(PREFERRED)}
    return sorted(found, key=lambda below: order.get(below.name, len(order)))


def _diffusers(folder: Path, name: str) -> Checkpoint:
    part = folder / "transformer"
    files = shards(part, "diffusion_pytorch_model")
    return Checkpoint(
        name=name, layout="diffusers", folder=folder, dit=Weights(files, config=part / "config.json")
    )


def _original(folder: Path, name: str) -> Checkpoint:
    vae, text = _beside(folder, VAE), _beside(folder, TEXT_ENCODER)
    silence = folder / SILENCE_FILE
    return Checkpoint(
        name=name,
        layout="original",
        folder=folder,
        dit=Weights(shards(folder), config=folder / "config.json"),
        vae=Weights(shards(vae, "diffusion_pytorch_model"), config=vae / "config.json"),
        text=Weights(shards(text), config=text / "config.json"),
        tokenizer=text,
        silence=silence if silence.is_file() else None,
    )


def _beside(folder: Path, part: str) -> Path:
    """A part that upstream keeps once for all: inside, beside, or in the main repository's cache."""
    places = [folder, folder.parent]
    if (main := cached_folder(MAIN_REPO)) is not None:
        places.append(main)
    for place in places:
        if (place / part).is_dir():
            return place / part
    raise ModelMissing(
        f"{folder.name} needs the folder {part} of {MAIN_REPO} beside it; run `tutti model fetch parts`"
    )


def _kind_of(file: Path) -> str | None:
    """What a ComfyUI file is: `whole`, `dit`, or None."""
    found = set(names(file))
    if f"{AIO['dit']}{DIT_MARK}" in found:
        return "whole"
    return "dit" if DIT_MARK in found else None


def _choose_file(files: Iterable[Path], where: Path) -> Path:
    dits = [file for file in sorted(files) if _kind_of(file) is not None]
    if not dits:
        raise ModelMissing(f"no file in {where} is ACE-Step 1.5; name the file with TUTTI_MODEL")
    turbo = [file for file in dits if "turbo" in file.name]
    if len(dits) > 1 and not turbo:
        raise ModelMissing(f"{where} holds several models; name one of them, such as {dits[0]}")
    return (turbo or dits)[0]


def _single(file: Path) -> Checkpoint:
    """A ComfyUI file: everything, or the DiT with its text encoder and VAE found beside it."""
    if file.suffix in PICKLES:
        raise ModelMissing(f"{file.name} is a pickle, which could run any code; convert it to safetensors")
    if file.suffix != ".safetensors":
        raise ModelMissing(f"{file.name} is not read here; use a .safetensors file")
    kind = _kind_of(file)
    if kind is None:
        raise ModelMissing(f"{file.name} is not ACE-Step 1.5: it has no {DIT_MARK}")
    whole = kind == "whole"
    return Checkpoint(
        name=file.name,
        layout="comfyui",
        folder=file.parent,
        dit=Weights((file,), AIO["dit"] if whole else ""),
        vae=Weights((file,), AIO["vae"]) if whole else _sibling(file, "vae", _is_vae),
        text=Weights((file,), AIO_TEXT) if whole else _sibling(file, "text_encoders", _is_text),
        tokenizer=_tokenizer(file.parent),
    )


def _is_vae(found: set[str]) -> str | None:
    for prefix in ("", "vae.", "first_stage_model."):
        if any(name.startswith(f"{prefix}decoder.") for name in found) and any(
            name.endswith(("weight_g", "weight.original0")) for name in found
        ):
            return prefix
    return None


def _is_text(found: set[str]) -> str | None:
    """The prefix of Qwen3's names; the planner's file has more of them, and is larger."""
    for prefix in ("model.", "", "transformer.model."):
        if f"{prefix}embed_tokens.weight" in found and f"{prefix}norm.weight" in found:
            return prefix
    return None


def _sibling(file: Path, folder: str, test: Any) -> Weights:
    """The smallest file of a kind in a folder beside that of the DiT, or beside the DiT itself."""
    places = [file.parent.parent / folder, file.parent]
    for place in places:
        candidates = sorted(place.glob("*.safetensors"), key=lambda found: found.stat().st_size)
        for candidate in candidates:
            if candidate != file and (prefix := test(set(names(candidate)))) is not None:
                return Weights((candidate,), prefix)
    raise ModelMissing(f"{file.name} needs a file in {places[0]}, as ComfyUI keeps it; see docs/acestep.md")


def _tokenizer(folder: Path) -> Path:
    """ComfyUI's files hold no tokenizer; any copy of Qwen3-Embedding's will do."""
    for place in _tokenizer_places(folder):
        if (place / TOKENIZER_FILE).is_file():
            return place
    raise ModelMissing(
        f"ComfyUI's files hold no tokenizer: put {TEXT_ENCODER}/ (with {TOKENIZER_FILE}) beside them, "
        "or run `tutti model fetch tokenizer`"
    )


def _tokenizer_places(folder: Path) -> Iterator[Path]:
    for place in (folder, folder.parent, folder.parent.parent):
        yield place
        yield place / "tokenizer"
        yield place / TEXT_ENCODER
        yield place / "text_encoders" / TEXT_ENCODER
    for repo in (MAIN_REPO, f"Qwen/{TEXT_ENCODER}"):
        if (cached := cached_folder(repo)) is not None:
            yield cached
            yield cached / TEXT_ENCODER
