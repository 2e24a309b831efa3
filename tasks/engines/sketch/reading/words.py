"""Words for speed, mood, strength and metre, and what each does."""

# ruff: noqa: E501 - a table reads best with one row a line

from __future__ import annotations

from dataclasses import dataclass

# Italian terms and their like name a tempo outright; the others bend the genre's own.
TEMPI: dict[str, int] = {
    "largo": 50, "grave": 42, "adagio": 68, "lento": 56, "andante": 84, "moderato": 108, "allegretto": 116,
    "allegro": 132, "vivace": 152, "presto": 176, "prestissimo": 196,
    "广板": 50, "柔板": 68, "慢板": 60, "行板": 84, "中板": 104, "小快板": 116, "快板": 132, "急板": 176,
}  # fmt: skip

SPEEDS: dict[str, float] = {
    "very slow": 0.7, "super slow": 0.7, "extremely slow": 0.65, "slow": 0.82, "slowly": 0.82,
    "slow tempo": 0.82, "downtempo": 0.82, "down tempo": 0.82, "laid-back": 0.92, "laid back": 0.92,
    "unhurried": 0.88, "mid-tempo": 1.0, "mid tempo": 1.0, "midtempo": 1.0, "medium tempo": 1.0,
    "moderate": 1.0, "upbeat": 1.12, "uptempo": 1.2, "up-tempo": 1.2, "up tempo": 1.2, "brisk": 1.15,
    "fast": 1.22, "fast-paced": 1.22, "fast tempo": 1.22, "quick": 1.2, "very fast": 1.4, "super fast": 1.4,
    "extremely fast": 1.45, "rapid": 1.3, "driving": 1.1,
    "很慢": 0.7, "非常慢": 0.68, "慢": 0.82, "缓慢": 0.8, "慢速": 0.82, "慢节奏": 0.82, "舒缓": 0.86, "悠扬": 0.9,
    "中速": 1.0, "中等速度": 1.0, "快": 1.2, "快速": 1.22, "快节奏": 1.22, "轻快": 1.12, "欢快": 1.14, "明快": 1.1,
    "很快": 1.38, "非常快": 1.42,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mood:
    """What a feeling asks of the music."""

    name: str
    words: tuple[str, ...]
    family: str = ""  # major or minor
    energy: float = 0.0  # added to the genre's
    speed: float = 1.0
    hints: str = ""  # the genre it suggests where no other word does


MOODS = (
    Mood("calm", ("calm", "calming", "peaceful", "relaxing", "relaxed", "relax", "soothing", "serene", "tranquil", "chill", "mellow", "平静", "宁静", "安静", "放松", "平和", "静谧", "治愈", "悠闲"), "", -0.14, 0.92, "piano solo"),
    Mood("gentle", ("gentle", "soft", "tender", "delicate", "quiet", "light", "warm", "轻柔", "温柔", "柔和", "温暖", "轻"), "", -0.1, 0.96, "piano solo"),
    Mood("happy", ("happy", "cheerful", "joyful", "joyous", "bright", "sunny", "fun", "playful", "merry", "cute", "快乐", "开心", "欢乐", "欢快", "喜庆", "愉快", "阳光", "活泼", "可爱", "明快"), "major", 0.08, 1.06, "pop"),
    Mood("sad", ("sad", "melancholic", "melancholy", "sorrowful", "mournful", "heartbreaking", "heartbroken", "lonely", "gloomy", "tearful", "bittersweet", "悲伤", "忧伤", "伤感", "悲", "忧郁", "孤独", "凄美", "哀伤", "难过"), "minor", -0.1, 0.9, "piano solo"),
    Mood("dark", ("dark", "ominous", "sinister", "scary", "horror", "eerie", "spooky", "黑暗", "阴森", "恐怖", "阴暗", "诡异"), "minor", 0.0, 0.97, "cinematic"),
    Mood("epic", ("epic", "heroic", "majestic", "grand", "triumphant", "battle", "victory", "史诗", "宏大", "壮丽", "激昂", "雄壮", "大气", "战斗"), "", 0.12, 1.04, "cinematic"),
    Mood("energetic", ("energetic", "powerful", "intense", "exciting", "high energy", "high-energy", "aggressive", "dynamic", "hard", "heavy", "wild", "party", "lively", "激烈", "热情", "有力", "动感", "强劲", "活力", "热血", "燃", "狂野", "派对"), "", 0.14, 1.06, "rock"),
    Mood("romantic", ("romantic", "love", "lovely", "sensual", "wedding", "浪漫", "爱情", "甜蜜", "婚礼"), "major", -0.04, 0.95, "piano solo"),
    Mood("dreamy", ("dreamy", "ethereal", "floating", "hazy", "spacey", "space", "梦幻", "飘渺", "太空", "梦境"), "", -0.1, 0.92, "ambient"),
    Mood("mysterious", ("mysterious", "mystic", "mystical", "magical", "enigmatic", "神秘", "魔幻"), "minor", -0.04, 0.95, "cinematic"),
    Mood("nostalgic", ("nostalgic", "wistful", "reflective", "怀旧", "怀念", "思乡"), "", -0.06, 0.94, "lo-fi"),
    Mood("hopeful", ("hopeful", "uplifting", "inspiring", "inspirational", "optimistic", "motivational", "希望", "励志", "鼓舞", "鼓励", "向上"), "major", 0.06, 1.02, "pop"),
    Mood("angry", ("angry", "rage", "furious", "愤怒", "暴躁"), "minor", 0.16, 1.08, "metal"),
    Mood("tense", ("tense", "suspense", "suspenseful", "dramatic", "urgent", "紧张", "悬疑", "戏剧性"), "minor", 0.08, 1.05, "cinematic"),
    Mood("solemn", ("solemn", "sacred", "holy", "庄严", "神圣", "肃穆"), "", -0.05, 0.88, "orchestral"),
)  # fmt: skip

METRES: dict[str, str] = {
    "three-four": "3/4", "three four": "3/4", "triple metre": "3/4", "triple meter": "3/4", "in three": "3/4",
    "waltz": "3/4", "waltz time": "3/4", "jazz waltz": "3/4", "圆舞曲": "3/4", "华尔兹": "3/4",
    "3 4 time": "3/4", "四三拍": "3/4", "三拍子": "3/4", "三拍": "3/4",
    "six-eight": "6/8", "six eight": "6/8", "compound metre": "6/8", "compound meter": "6/8", "jig": "6/8",
    "八六拍": "6/8", "六拍子": "6/8", "barcarolle": "6/8",
    "four-four": "4/4", "four four": "4/4", "common time": "4/4", "四四拍": "4/4", "四拍子": "4/4",
    "two-four": "2/4", "two four": "2/4", "march": "2/4", "polka": "2/4", "四二拍": "2/4", "二拍子": "2/4",
    "进行曲": "2/4", "波尔卡": "2/4",
}  # fmt: skip

ALONE = frozenset(
    {
        "solo",
        "only",
        "just",
        "unaccompanied",
        "a cappella",
        "acapella",
        "无伴奏",
        "nothing but",
        "alone",
        "独奏",
        "纯",
        "只有",
        "仅有",
        "只用",
    }
)
"""Said beside an instrument, these leave out everyone else."""
