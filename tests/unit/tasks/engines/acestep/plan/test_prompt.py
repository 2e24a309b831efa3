"""The words in upstream's templates, and a caption too long that leaves the metas in place."""

from __future__ import annotations

import pytest

from tasks.engines.acestep.plan.prompt import INSTRUMENTAL, LYRICS_CUT, SHORTENED, TEXT_LONGEST, write
from tasks.jobs import JobRequest
from tests.unit.tasks.engines.acestep.songs import LYRICS, song
from tests.unit.tasks.engines.acestep.tiny_checkpoint import tokenizer

TOKENIZER = tokenizer()


def prompt(seconds: float = 60.9, lego_sft: bool = False, **fields):
    return write(
        JobRequest(**({"prompt": "A calm song"} | fields)), TOKENIZER, seconds=seconds, lego_sft=lego_sft
    )


def test_all_of_it_stands_where_upstream_puts_it():
    made = prompt(bpm=97, key_scale="A minor", time_signature="6/8", vocal_language="zh", lyrics=LYRICS)
    assert made.text == (
        "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n"
        "# Caption\nA calm song\n\n"
        "# Metas\n- bpm: 97\n- timesignature: 6\n- keyscale: A minor\n- duration: 60 seconds\n<|endoftext|>\n"
    )
    assert made.lyrics == f"# Languages\nzh\n\n# Lyric\n{LYRICS}<|endoftext|>"
    assert made.notes == ()
    assert "- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n" in prompt().text


def test_an_instrumental_has_the_lyrics_that_the_model_knows_for_it():
    assert prompt(instrumental=True).lyrics == f"# Languages\nen\n\n# Lyric\n{INSTRUMENTAL}<|endoftext|>"
    with pytest.raises(ValueError, match="nobody sings"):
        prompt(instrumental=True, lyrics="la la")


@pytest.mark.parametrize("caption", ["loud drums " * 60, "钢琴与雨声" * 60, "x" * 1_000])
def test_a_long_caption_is_shortened_and_the_metas_survive(caption):
    made = prompt(prompt=caption, bpm=97, key_scale="A minor")
    assert made.notes == (SHORTENED,)
    assert len(TOKENIZER(made.text).input_ids) <= TEXT_LONGEST
    assert "- bpm: 97\n- timesignature: N/A\n- keyscale: A minor\n- duration: 60 seconds\n" in made.text
    kept = made.text.split("# Caption\n")[1].split("\n\n# Metas")[0]
    assert kept
    assert caption.startswith(kept)
    if " " in caption:
        assert kept.split(" ")[-1] in {"loud", "drums"}, "words stay whole"


def test_lyrics_that_are_cut_are_said_to_be():
    assert prompt(lyrics="la " * 1_000).notes == (LYRICS_CUT,)


TRACKS = {
    "extract": ("backing vocals", "Extract the BACKING_VOCALS track from the audio:"),
    "lego": ("drums", "Generate the DRUMS track based on the audio context:"),
    "complete": ("drums,bass", "Complete the input track with DRUMS | BASS:"),
}


@pytest.mark.parametrize("task", TRACKS)
def test_tracks_are_named_as_in_training(task):
    track, words = TRACKS[task]
    made = prompt(task_type=task, source_audio="0" * 64, track=track)
    assert made.text.startswith(f"# Instruction\n{words}\n\n")
    assert made.aside.startswith("# Instruction\nFill the audio semantic mask")


def test_a_checkpoint_for_tracks_hears_the_whole_songs_caption():
    fields = {"task_type": "lego", "source_audio": "0" * 64, "track": "bass", "global_caption": "A rock song"}
    told = prompt(lego_sft=True, **fields).text
    assert "# Caption\nGlobal: A rock song\nLocal: A calm song\nMask Control: false\n\n" in told
    assert "Mask Control: true" in prompt(lego_sft=True, chunk_mask_mode="explicit", **fields).text


def test_the_note_comes_with_the_song(engine):
    state = engine.admit(song(1, prompt="loud " * 300, steps=1))
    while not state.done:
        engine.step([state])
    assert engine.decode(state).notes == (SHORTENED,)
