"""The words that the network was trained on: instruction, caption, metas, lyrics in upstream's templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tasks.jobs import JobRequest

TEXT_LONGEST, LYRICS_LONGEST = 256, 2_048
"""Tokens; upstream cuts what is longer."""

TEMPLATE: Final = "# Instruction\n{instruction}\n\n# Caption\n{caption}\n\n# Metas\n{metas}<|endoftext|>\n"
LYRICS: Final = "# Languages\n{language}\n\n# Lyric\n{lyrics}<|endoftext|>"
METAS: Final = "- bpm: {bpm}\n- timesignature: {metre}\n- keyscale: {key}\n- duration: {seconds} seconds\n"
NOTHING: Final = "N/A"
INSTRUMENTAL: Final = "[Instrumental]"
TO_MUSIC: Final = "Fill the audio semantic mask based on the given conditions:"
TO_CODES: Final = "Generate audio semantic tokens based on the given conditions:"
INSTRUCTIONS: Final = {
    "text2music": TO_MUSIC,
    "repaint": "Repaint the mask area based on the given conditions:",
    "cover": TO_CODES,
    "cover-nofsq": TO_CODES,
    "extract": "Extract the track from the audio:",
    "lego": "Generate the track based on the audio context:",
    "complete": "Complete the input track:",
}
SHORTENED: Final = (
    "the prompt was longer than the model reads, so its end was left out; bpm, key and length were kept"
)
LYRICS_CUT: Final = "the lyrics were longer than the model reads, so their end was left out"


class Prompt(NamedTuple):
    """The words of one song; `aside` is what a weak cover goes on with, `notes` says what was cut."""

    text: str
    lyrics: str
    aside: str
    notes: tuple[str, ...] = ()


def write(ask: JobRequest, tokenizer: Any, *, seconds: float, lego_sft: bool = False) -> Prompt:
    """The words in upstream's templates; a caption that would push the metas out is shortened itself."""
    metas = METAS.format(
        bpm=ask.bpm or NOTHING,
        # ACE-Step names a metre by its beats: "3" is 3/4, "6" is 6/8
        metre=ask.time_signature.split("/")[0] if ask.time_signature else NOTHING,
        key=ask.key_scale or NOTHING,
        seconds=int(seconds),
    )

    def text(instruction: str) -> Callable[[str], str]:
        def filled(caption: str) -> str:
            whole = _with_global(ask, caption) if lego_sft else caption
            return TEMPLATE.format(instruction=instruction, caption=whole, metas=metas)

        return filled

    own = "" if ask.instrumental else ask.lyrics
    lyrics = LYRICS.format(
        language=ask.vocal_language or "en", lyrics=INSTRUMENTAL if ask.instrumental else own
    )
    main = fit(ask.prompt, text(_instruction(ask)), tokenizer)
    aside = fit(ask.prompt, text(TO_MUSIC), tokenizer)
    notes = [SHORTENED] if main != text(_instruction(ask))(ask.prompt) else []
    if len(tokenizer(lyrics).input_ids) > LYRICS_LONGEST:
        notes.append(LYRICS_CUT)
    return Prompt(main, lyrics, aside, tuple(notes))


def fit(caption: str, text: Callable[[str], str], tokenizer: Any) -> str:
    """The text with as much of the caption as the model reads, cut between words where there are words."""
    whole = text(caption)
    while (over := len(tokenizer(whole).input_ids) - TEXT_LONGEST) > 0 and caption:
        ends = [
            end
            for _, end in tokenizer(caption, return_offsets_mapping=True, add_special_tokens=False)[
                "offset_mapping"
            ]
        ]
        kept = caption[: ends[-over - 1] if over < len(ends) else 0]
        cut = kept.rstrip()
        if len(kept) == len(cut) and " " in kept and not caption[len(kept) : len(kept) + 1].isspace():
            cut = kept.rpartition(" ")[0].rstrip()
        caption = cut if len(cut) < len(caption) else caption[:-1]
        whole = text(caption)
    return whole


def _instruction(ask: JobRequest) -> str:
    tracks = [track.strip().replace(" ", "_").upper() for track in ask.track.split(",")] if ask.track else []
    if ask.audio_codes:
        return TO_CODES
    if not tracks:
        return INSTRUCTIONS[ask.task_type]
    match ask.task_type:
        case "extract":
            return f"Extract the {tracks[0]} track from the audio:"
        case "lego":
            return f"Generate the {tracks[0]} track based on the audio context:"
        case "complete":
            return f"Complete the input track with {' | '.join(tracks)}:"
    return INSTRUCTIONS[ask.task_type]


def _with_global(ask: JobRequest, caption: str) -> str:
    """The caption of a checkpoint that was trained to hear the whole song's beside the track's."""
    told = "false" if ask.chunk_mask_mode in {None, "auto"} else "true"
    first = f"Global: {ask.global_caption or ''}\n"
    return f"{first}Local: {caption}\nMask Control: {told}"
