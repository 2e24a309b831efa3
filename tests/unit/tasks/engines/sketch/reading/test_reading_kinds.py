"""Whole kinds of things said, made from their parts: numbers, keys, refusals and corrections."""

# ruff: noqa: E501 - a table reads best with one row a line
from __future__ import annotations

import pytest

from tasks.engines.sketch.music.theory import pitch_class
from tasks.engines.sketch.reading import Wish, read
from tasks.engines.sketch.reading.instruments import BY_NAME
from tasks.engines.sketch.reading.mention import Kind
from tasks.engines.sketch.reading.vocabulary import words_for
from tasks.jobs import JobRequest

ONES = [
    "",
    *[
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
    ],
]
ONES += ["sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["x", "x", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
HAN = "零一二三四五六七八九"


def wish(prompt: str) -> Wish:
    return read(JobRequest(prompt=prompt))


def first_word(kind: Kind, name: str, *, chinese: bool) -> str:
    return next(word for word in words_for(kind, name) if word.isascii() is not chinese)


def english(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    small = ONES[rest] if rest < 20 else f"{TENS[rest // 10]} {ONES[rest % 10]}".strip()
    return " ".join(part for part in (f"{ONES[hundreds]} hundred" if hundreds else "", small) if part)


def chinese(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    said = f"{HAN[hundreds]}百" if hundreds else ""
    if tens:
        said += ("" if tens == 1 and not hundreds else HAN[tens]) + "十"
    elif ones and hundreds:
        said += "零"
    return said + (HAN[ones] if ones else "")


@pytest.mark.parametrize("number", [*range(40, 300, 7), 100, 110, 101, 200, 300])
def test_a_tempo_is_read_in_every_spelling(number: int) -> None:
    spellings = [
        f"rock, {english(number)} bpm", f"rock, {english(number).replace('hundred ', 'hundred and ')} beats per minute",
        f"{english(number).replace(' ', '-')} beats a minute rock", f"rock at {number}bpm", f"BPM{number} rock",
        f"rock, bpm: {number}", f"rock, ♩={number}", f"tempo {number}, rock", f"摇滚，{number}拍",
        f"摇滚，{chinese(number)}拍", f"每分钟{chinese(number)}拍的摇滚", f"摇滚，速度{number}",
        "摇滚，" + str(number).translate(str.maketrans("0123456789", "０１２３４５６７８９")) + "ＢＰＭ",
    ]  # fmt: skip
    assert {said: wish(said).bpm for said in spellings} == dict.fromkeys(spellings, number)


@pytest.mark.parametrize(
    ("prompt", "low", "high"),
    [
        ("house, 90-100 bpm", 90, 100), ("house, 90–100 BPM", 90, 100), ("house, 90 to 100 bpm", 90, 100),
        ("house, between ninety and one hundred bpm", 90, 100), ("浩室，90到100拍", 90, 100),
        ("浩室，九十至一百拍", 90, 100), ("浩室，速度90~100", 90, 100), ("house, tempo 90-100", 90, 100),
    ],
)  # fmt: skip
def test_a_range_is_a_tempo_within_it(prompt: str, low: float, high: float) -> None:
    assert low <= (wish(prompt).bpm or 0) <= high


GERMAN = {
    "C": 0, "Cis": 1, "Des": 1, "D": 2, "Dis": 3, "Es": 3, "E": 4, "F": 5, "Fis": 6, "Ges": 6, "G": 7, "Gis": 8,
    "As": 8, "A": 9, "Ais": 10, "B": 10, "H": 11, "Ces": 11,
}  # fmt: skip


@pytest.mark.parametrize("note", GERMAN)
@pytest.mark.parametrize(("word", "mode"), [("Dur", "major"), ("Moll", "minor")])
def test_german_keys_are_read(note: str, word: str, mode: str) -> None:
    said = (f"piano in {note}-{word}", f"{note.lower()}-{word.lower()}, piano", f"钢琴，{note} {word}")
    for prompt in said:
        assert (wish(prompt).tonic, wish(prompt).mode) == (GERMAN[note], mode), prompt


@pytest.mark.parametrize("letter", "CDEFGAB")
@pytest.mark.parametrize(
    ("before", "sign"), [("", ""), ("升", "#"), ("降", "b"), ("#", "#"), ("b", "b"), ("♭", "b")]
)
def test_chinese_keys_are_read(letter: str, before: str, sign: str) -> None:
    tonic = pitch_class(letter, sign)
    for word, mode in (
        ("大调", "major"),
        ("小调", "minor"),
        ("多利亚调式", "dorian"),
        ("羽调式", "minor pentatonic"),
    ):
        said = wish(f"钢琴，{before}{letter}{word}，安静")
        assert (said.tonic, said.mode) == (tonic, mode)
    assert wish(f"1={before.replace('升', '#').replace('降', 'b')}{letter} 钢琴").tonic == tonic


REFUSED = (
    "no {}", "without {}", "without any {}", "no {} at all", "please leave out the {}", "I don't want {}",
    "don't use {}", "there should be no {}", "avoid {}", "zero {}", "{}: none", "{} not wanted", "{}? no thanks",
    "everything except {}", "get rid of the {}", "I don't want it with {}", "no need for {}", "minus {}",
    "{}-free", "sans {}", "shakers instead of {}", "no more {}",
)  # fmt: skip
REFUSED_CHINESE = (
    "不要{}", "没有{}", "无{}", "去掉{}", "不带{}", "不含{}", "别加{}", "请不要使用{}", "没有任何{}", "{}不要", "把{}去掉",
    "除了{}以外都可以", "不需要{}", "{}统统不要", "不希望有{}", "取消{}", "去掉所有的{}", "我不想听到{}",
)  # fmt: skip


@pytest.mark.parametrize("form", [*REFUSED, *REFUSED_CHINESE])
@pytest.mark.parametrize("name", ["drums", "piano", "violin", "electric guitar", "trumpet"])
def test_an_instrument_is_refused_in_every_form(form: str, name: str) -> None:
    word = first_word("instrument", name, chinese=not form.isascii())
    for prompt in (f"{form.format(word)}, harp", f"harp, {form.format(word)}"):
        said = wish(prompt)
        assert (said.unwanted, said.wanted) == ({name}, ("harp",)), prompt


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "drums"])
def test_what_is_asked_for_beside_no_drums_is_played(name: str) -> None:
    for word in words_for("instrument", name):
        for form in (
            "{}, no drums",
            "no drums, {}",
            "drumless {}",
            "no drums soft {}",
            "{}，不要鼓",
            "没有鼓的{}",
        ):
            said = wish(form.format(word))
            assert (said.drums, said.wanted) == (False, (name,)), form.format(word)


CORRECTIONS = (
    "not {0}, rather {1}", "not {0} but {1}", "{1}, not {0}", "{1} instead of {0}", "instead of {0} make it {1}",
    "{1} rather than {0}", "{0}, no wait, {1}", "{0}, sorry, {1}", "{0}? no, {1}", "replace {0} with {1}",
    "change {0} to {1}", "I'd rather have {1} than {0}", "don't use {0}, use {1}", "it was {0} before, make it {1}",
    "forget {0}, do {1}", "不是{0}，而是{1}", "不要{0}，要{1}", "{1}，不是{0}", "{1}而不是{0}", "把{0}换成{1}", "{0}改成{1}",
    "用{1}代替{0}", "{0}，不对，{1}", "从{0}改为{1}", "原来{0}，现在{1}", "别用{0}，用{1}",
)  # fmt: skip
FACTS = {
    "bpm": ("140 bpm", "90 bpm", 90), "tonic": ("C major", "D major", 2), "mode": ("A major", "A minor", "minor"),
    "metre": ("4/4", "3/4", "3/4"), "genre": ("jazz", "blues", "blues"), "wanted": ("guitar", "harp", ("harp",)),
}  # fmt: skip
FACTS_CHINESE = {
    "bpm": ("140拍", "90拍", 90), "tonic": ("C大调", "D大调", 2), "mode": ("A大调", "A小调", "minor"),
    "metre": ("4/4拍", "3/4拍", "3/4"), "genre": ("爵士", "蓝调", "blues"), "wanted": ("吉他", "竖琴", ("harp",)),
}  # fmt: skip


@pytest.mark.parametrize("form", CORRECTIONS)
@pytest.mark.parametrize("fact", FACTS)
def test_a_correction_is_read_as_what_it_corrects_to(form: str, fact: str) -> None:
    refused, meant, expected = (FACTS if form.isascii() else FACTS_CHINESE)[fact]
    assert getattr(wish(form.format(refused, meant)), fact) == expected


@pytest.mark.parametrize(
    "form",
    [
        "from {0} bpm down to {1} bpm", "from {0} bpm to {1} bpm", "starting from {0} bpm, down to {1} bpm",
        "{0} bpm down to {1} bpm", "to {1} bpm from {0} bpm", "slow it down to {1} bpm from {0} bpm",
        "not {0} bpm; rather {1} bpm", "not {0}, rather {1} bpm", "{1}, not {0} bpm", "{1} bpm, not {0}",
        "{0} bpm is too much, go for {1} bpm", "{0} bpm -> {1} bpm", "{0} bpm → {1} bpm", "{0} → {1} bpm",
        "{0} bpm slowed down to {1} bpm", "{0} bpm reduced to {1} bpm", "reduce {0} bpm to {1} bpm",
        "change the tempo from {0} to {1} bpm", "was {0} bpm, make it {1} bpm", "{0} bpm no more, {1} bpm",
        "{0} bpm, better {1} bpm", "{0} bpm, or better yet {1} bpm", "{0} bpm, rather {1} bpm",
        "{0} bpm, well, make it {1} bpm", "tempo: not {0}, rather {1}", "tempo not {0}, but {1}",
        "tempo drops from {0} to {1}", "bpm from {0} down to {1}", "tempo from {0} down to {1}",
        "slower than {0} bpm, {1} bpm", "under {0} bpm, around {1} bpm", "I said {0} bpm but I want {1} bpm",
        "ease from {0} bpm down to {1} bpm", "from a fast {0} bpm down to a calm {1} bpm",
        "from about {0} bpm down to about {1} bpm", "{0} bpm gives way to {1} bpm", "from {0}bpm to {1}bpm",
        "{0} beats per minute down to {1} beats per minute", "由{0}拍降至{1}拍", "从{0}bpm降到{1}bpm",
        "速度从{0}降到{1}", "速度不是{0}，是{1}", "速度由{0}变为{1}", "{0}拍→{1}拍", "与其{0}拍，不如{1}拍",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("was", "meant"), [(140, 90), (90, 140), (172, 76), (61, 63)])
def test_a_tempo_that_becomes_another_is_the_other(form: str, was: int, meant: int) -> None:
    said = form.format(was, meant)
    for around in ("{}", "calm piano, {}", "{}, calm piano", "jazz with drums, {}; soft"):
        prompt = around.format(said)
        assert wish(prompt).bpm == meant, prompt
        if not around.startswith("{}"):
            assert wish(prompt).wanted, prompt


@pytest.mark.parametrize(
    ("prompt", "bpm"),
    [
        ("120 bpm, no drums, 808 bass", 120), ("120 bpm, not 80s rock", 120), ("120 bpm, then 50 seconds calm", 120),
        ("120 bpm piano, make it sad", 120), ("under 140 bpm", 140), ("tempo 120, not 60 violins", 120),
        ("80, 90 or 100 guitars, 120 bpm", 120), ("symphony of 40 voices, not 140 bpm, calm", None),
        ("120 bpm for the verse", 120), ("no 140 bpm", None), ("120 bpm, 3/4, to dance to", 120),
    ],
)  # fmt: skip
def test_numbers_that_are_no_tempo_stay_none(prompt: str, bpm: float | None) -> None:
    assert wish(prompt).bpm == bpm


MOODS = (
    "not {0} but {1}",
    "{1}, not {0}",
    "less {0}, more {1}",
    "{1} rather than {0}",
    "not {0}, rather {1}",
)
MOODS_CHINESE = (
    "不要{0}，要{1}",
    "{1}，不要{0}",
    "不是{0}，而是{1}",
    "别太{0}，要{1}",
    "少一点{0}，多一点{1}",
)


@pytest.mark.parametrize("form", [*MOODS, *MOODS_CHINESE])
@pytest.mark.parametrize(
    ("refused", "meant"), [("sad", "happy"), ("dark", "hopeful"), ("angry", "calm"), ("tense", "dreamy")]
)
def test_a_mood_is_corrected(form: str, refused: str, meant: str) -> None:
    words = [first_word("mood", name, chinese=not form.isascii()) for name in (refused, meant)]
    said = form.format(*words)
    assert wish(f"{said}, piano").moods == (meant,)


@pytest.mark.parametrize(
    "prompt",
    [
        "not without drums, piano", "don't forget the drums, piano", "can't do without drums, piano",
        "not only piano but also drums", "no shortage of drums, piano", "不能没有鼓，钢琴", "别忘了鼓，钢琴",
        "少不了鼓的钢琴", "不仅有鼓，还有钢琴", "除了钢琴还有鼓", "离不开鼓，钢琴",
    ],
)  # fmt: skip
def test_a_refusal_that_is_none_asks(prompt: str) -> None:
    said = wish(prompt)
    assert (said.drums, set(said.wanted), said.unwanted) == (True, {"piano", "drums"}, frozenset())


@pytest.mark.parametrize(
    "prompt",
    [
        "鼓舞人心", "受到鼓励的心", "鼓掌的人群", "一拍即合的朋友", "拍摄婚礼", "特别的一天", "告别过去", "江南水乡", "無聊的午后",
        "1980年的夏天", "第三拍之后", "24/7 radio", "a minor problem", "a major hit", "at 6 am", "I am here", "432 Hz tones",
        "60 fps game, 1080p", "120 people singing", "No. 5 of my songs", "Route 66 trip", "vitamin C and plan B",
        "3:03 minutes long", "90 seconds long", "100% fresh", "bars 1-32 only",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_fact_is_none(prompt: str) -> None:
    said = wish(f"{prompt} 一首歌曲")
    assert (said.bpm, said.tonic, said.mode, said.metre, said.wanted, said.unwanted) == (
        None, None, None, None, (), frozenset(),
    )  # fmt: skip
