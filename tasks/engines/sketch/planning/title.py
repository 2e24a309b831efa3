"""A title for the song, in the language of its prompt."""

# ruff: noqa: E501 - a table reads best with one row a line

from __future__ import annotations

from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.planning.plan import SongPlan

ADJECTIVES = {
    "calm": ("Quiet", "Still"), "gentle": ("Soft", "Gentle"), "happy": ("Bright", "Sunny"), "sad": ("Lonely", "Fading"),
    "dark": ("Dark", "Hollow"), "epic": ("Great", "Rising"), "energetic": ("Wild", "Burning"),
    "romantic": ("Tender", "Dear"), "dreamy": ("Dreaming", "Floating"), "mysterious": ("Hidden", "Strange"),
    "nostalgic": ("Old", "Faded"), "hopeful": ("New", "Golden"), "angry": ("Broken", "Furious"),
    "tense": ("Last", "Narrow"), "solemn": ("Silent", "High"), "": ("Blue", "Second", "Distant", "Silver"),
}  # fmt: skip
CHINESE = {
    "calm": "静", "gentle": "柔", "happy": "欢", "sad": "离", "dark": "暗", "epic": "壮", "energetic": "烈",
    "romantic": "恋", "dreamy": "梦", "mysterious": "秘", "nostalgic": "忆", "hopeful": "晨", "angry": "怒",
    "tense": "疾", "solemn": "肃", "": "遥",
}  # fmt: skip
CHINESE_NOUNS = ("夜雨", "远山", "江月", "晚风", "竹影", "流光", "长路", "星河", "落花", "归途")


def title(plan: SongPlan) -> str:
    """Such as "Quiet Rain"; the same plan gives the same title."""
    chance = Chance("title", *plan.seed)
    mood = plan.wish.moods[0] if plan.wish.moods else ""
    if plan.wish.chinese:
        return CHINESE[mood] + "·" + chance.pick(CHINESE_NOUNS)
    noun = chance.pick(plan.genre.titles)
    return noun if noun.startswith("The ") else f"{chance.pick(ADJECTIVES[mood])} {noun}"
