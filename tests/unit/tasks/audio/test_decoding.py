"""What people bring, decoded whole and in a process of its own; what is no sound, refused by its reason."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.audio import decoder, decoding, mixing, mpeg
from tasks.audio.decoding import Undecodable, measure, samples
from tests.needs import program
from tests.unit.tasks.audio.sounds import mp3, tone, without_first_frame, written

ID3 = b"ID3\x03\x00\x00\x00\x00\x07\x76" + bytes(1_014)  # 1,014 bytes of padding


def at(folder: Path, data: bytes) -> Path:
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_24"),
        ("RF64", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_16"),
        ("CAF", "PCM_16"),
    ],
)
def test_formats_that_need_no_other_program(tmp_path, container, subtype):
    data = written(tone(6.5, 48_000, 2), 48_000, container, subtype=subtype)
    sound = measure(at(tmp_path, data))
    assert (sound.seconds, sound.channels, sound.rate) == (6.5, 2, 48_000)


def test_opus_of_an_ogg_file(tmp_path):
    data = written(tone(6.5, 48_000, 2), 48_000, "OGG", subtype="OPUS")
    assert abs(measure(at(tmp_path, data)).seconds - 6.5) < 0.05


MP3S = {
    "variable, with its header": (lambda: mp3(60), 60.0),
    "variable, without": (lambda: without_first_frame(mp3(60)), 60.0),
    "constant, without": (lambda: without_first_frame(mp3(12, mode="CONSTANT")), 12.0),
    "two joined": (lambda: mp3(8) + mp3(9), 17.0),
    "two joined, the second without": (lambda: mp3(8) + without_first_frame(mp3(9)), 17.0),
    "three joined, of other rates and channels": (lambda: mp3(6) + mp3(7, 22_050, 2) + mp3(5, 48_000), 18.0),
    "tags before, between and behind": (lambda: ID3 + mp3(8) + b"TAG" + bytes(125) + ID3 + mp3(9), 17.0),
    "noise before": (lambda: bytes(700) + mp3(8), 8.0),
}


@pytest.mark.parametrize("name", MP3S)
def test_no_second_of_an_mp3_is_lost(tmp_path, name):
    make, seconds = MP3S[name]
    data = make()
    path = at(tmp_path, data if data[:1] == b"\xff" or data[:3] == b"ID3" else b"ID3\x03\0\0\0\0\0\0" + data)
    assert abs(measure(path).seconds - seconds) < 0.1 * (1 + name.count("joined"))
    assert abs(samples(path, 48_000).shape[1] / 48_000 - seconds) < 0.1 * (1 + name.count("joined"))


@given(st.binary(max_size=4_000))
def test_frames_are_looked_for_in_anything(data):
    for frame in mpeg.frames(data):
        assert frame.size > 20
    with contextlib.suppress(mpeg.NotMpeg):
        mpeg.parts(data)


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3), st.binary(max_size=300), st.booleans())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_joined_parts_keep_all_their_frames(kinds, between, bare):
    made = [_cached(kind, bare) for kind in kinds]
    noise = between.replace(b"\xff", b"\0").replace(b"ID3", b"\0")
    joined = noise.join(made)
    counted = sum(len(list(mpeg.frames(part))) - 1 for part in mpeg.parts(joined))
    assert counted == sum(len(list(mpeg.frames(one))) - (0 if bare else 1) for one in made)


_kept: dict[tuple[int, bool], bytes] = {}


def _cached(kind: int, bare: bool) -> bytes:
    if (kind, bare) not in _kept:
        data = mp3(1.5, (44_100, 22_050, 48_000)[kind])
        _kept[kind, bare] = without_first_frame(data) if bare else data
    return _kept[kind, bare]


# --- 5.1


def six(seconds: float = 6.0) -> np.ndarray:
    """Six channels, each with a pitch of its own: L R C LFE Ls Rs have 100, 200, ... 600 Hz."""
    time = np.arange(round(seconds * 48_000)) / 48_000
    return np.stack([np.sin(2 * np.pi * 100 * (n + 1) * time) * 0.2 for n in range(6)], axis=1)


def heard(stereo: np.ndarray) -> np.ndarray:
    """How loud each pitch is in each ear, as a share of the left's in the left ear."""
    spectrum = np.abs(np.fft.rfft(stereo[:, : 4 * 48_000]))[:, [400, 800, 1_200, 1_600, 2_000, 2_400]]
    return np.round(spectrum / spectrum[0, 0], 2)


EXPECTED = np.array([[1, 0, 0.71, 0, 0.71, 0], [0, 1, 0.71, 0, 0, 0.71]])
VORBIS_ORDER = [0, 2, 1, 4, 5, 3]


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "FLAC", "AIFF", "OGG"])
def test_surround_is_mixed_by_the_weights_of_bs_775(tmp_path, container):
    channels = six()[:, VORBIS_ORDER] if container == "OGG" else six()
    stereo = samples(at(tmp_path, written(channels, 48_000, container)), 48_000)
    np.testing.assert_allclose(heard(stereo), EXPECTED, atol=0.03)


@pytest.mark.parametrize("extension", ["m4a", "opus", "webm", "aac"])
def test_surround_of_formats_that_ffmpeg_reads(tmp_path, extension):
    ffmpeg = program("ffmpeg")
    plain, made = at(tmp_path, written(six() * 2, 48_000, "WAVEX")), tmp_path / f"made.{extension}"
    codec = "aac" if extension in {"m4a", "aac"} else "libopus"
    layout = ["-af", "aformat=channel_layouts=5.1"] if codec == "libopus" else []
    rate = ["-b:a", "512k"]
    subprocess.run([ffmpeg, "-v", "error", "-i", plain, *layout, "-c:a", codec, *rate, made], check=True)
    found = heard(samples(made, 48_000))
    np.testing.assert_allclose(found[:, [0, 1, 2, 4, 5]], EXPECTED[:, [0, 1, 2, 4, 5]], atol=0.12)
    assert found[:, 3].max() < 0.12, "LFE is left out"


def test_a_mix_that_would_be_too_loud_is_made_quieter_as_a_whole(tmp_path):
    loud = np.full((6 * 8_000, 6), 0.9, np.float32)
    stereo = samples(at(tmp_path, written(loud, 8_000)), 8_000)
    np.testing.assert_allclose(np.abs(stereo).max(), 1.0, atol=1e-4)


def test_every_order_of_channels_names_each_place_once():
    for named, (count, order) in itertools.chain(
        (("usual", item) for item in mixing.USUAL.items()),
        (("vorbis", item) for item in mixing.VORBIS.items()),
    ):
        places = order.split()
        assert len(set(places)) == len(places) == count, named
        left, right = mixing.to_stereo(places).T
        assert (left**2).sum() == pytest.approx((right**2).sum()), "both sides are alike"


def test_a_channel_mask_says_where_channels_belong():
    assert mixing.places_of(0x3F, 6) == ["L", "R", "C", "LFE", "Lr", "Rr"]
    assert mixing.places_of(0x107, 4) == ["L", "R", "C", "S"]
    assert mixing.places_of(0x3F, 4) is None


# --- what is no sound, or too costly


def test_what_is_no_sound_is_refused_and_says_why(tmp_path):
    cut = written(tone(6))
    for data, why in (
        (b"this is no sound" * 100, "no audio that is known"),
        (b"", "no audio"),
        (cut[:44], "holds no sound"),
        (cut[:30], "damaged"),
        (os.urandom(3_000_000), "no "),
        (b"\xff\xfb\x90\x00" + os.urandom(3_000_000), "no MP3"),
        (b"ID3" + os.urandom(1_000_000), "no MP3"),
        (written(tone(2)), "5 to 600 s"),
        (written(np.zeros((601_000, 1), np.float32), 1_000), "5 to 600 s"),
        (written(np.full((6_000, 1), np.nan, np.float32), 1_000, subtype="FLOAT"), "no sound"),
        (written(np.zeros((6_000, 9), np.float32), 1_000), "9 channels"),
    ):
        with pytest.raises(Undecodable, match=why):
            measure(at(tmp_path, data))


def test_our_own_longest_song_is_not_too_long(tmp_path):
    longest = np.zeros((600 * 8_000, 1), np.float32)
    for container, subtype in (("WAV", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")):
        path = at(tmp_path, written(longest, 8_000, container, subtype=subtype))
        assert abs(measure(path).seconds - 600) < 0.2
        assert samples(path, 8_000).shape[1] <= 600 * 8_000


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {secret}\n",
    "dash": '<?xml version="1.0"?><MPD><BaseURL>file://{secret}</BaseURL></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "pls": "[playlist]\nFile1={secret}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_nothing(tmp_path, name):
    secret = at(tmp_path, written(tone(6)))
    with pytest.raises(Undecodable, match="no audio that is known"):
        measure(at(tmp_path, PLAYLISTS[name].format(secret=secret).encode()))


def test_a_reference_inside_a_container_opens_nothing(tmp_path):
    """An mp4 whose sound is said to lie in another file of this machine."""
    ffmpeg, secret = program("ffmpeg"), tmp_path / "secret.wav"
    secret.write_bytes(written(tone(6)))
    made = tmp_path / "made.mov"
    subprocess.run([ffmpeg, "-v", "error", "-i", secret, "-c:a", "pcm_s16le", made], check=True)
    data = made.read_bytes()
    url = b"url \x00\x00\x00\x01"  # flags 1: in this file
    assert url in data
    place = b"url \x00\x00\x00\x00" + f"file://{secret}".encode()
    with pytest.raises(Undecodable):
        measure(
            at(tmp_path, data.replace(b"\x00\x00\x00\x0c" + url, struct.pack(">I", 4 + len(place)) + place))
        )


def test_a_small_file_that_is_huge_inside_takes_bounded_memory(tmp_path):
    """8 channels of 384 kHz: 7 GiB as floats, 2 MB as FLAC."""
    silence = written(np.zeros((384_000 * 20, 8), np.int16), 384_000, "FLAC")
    path = at(tmp_path, silence)
    code = (
        "import resource, sys; from pathlib import Path; from tasks.audio.decoding import measure, samples; "
        "path = Path(sys.argv[1]); print(measure(path).seconds, samples(path, 48_000).shape); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )  # in a process of its own: this one has had children of any size
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    found, kibibytes = done.stdout.splitlines()
    assert found == "20.0 (2, 960000)"
    assert int(kibibytes) < 1 << 20


def test_a_decoder_that_takes_too_much_memory_or_time_is_ended(tmp_path, monkeypatch):
    path = at(tmp_path, written(tone(30)))
    monkeypatch.setattr(decoding, "WALL_SECONDS", 0.05)
    with pytest.raises(Undecodable, match="takes longer"):
        measure(path)
    monkeypatch.setattr(decoding, "WALL_SECONDS", 60.0)
    hungry = "import tasks.audio.decoder as d; d.confine(); x = bytearray(3 << 30)"
    done = subprocess.run([sys.executable, "-c", hungry], capture_output=True, check=False)
    assert b"MemoryError" in done.stderr


def test_the_child_gets_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET", "geheim")
    with Path(os.devnull).open("rb") as nothing:
        status, raw, _ = decoding._run(["/usr/bin/env"], nothing)
    assert (status, b"geheim" in raw) == (0, False)


def test_first_bytes_decide_alone_which_decoder_reads():
    assert decoder.kind_of(b"\x1aE\xdf\xa3") == "webm"
    assert decoder.kind_of(b"\xff\xf1\x50\x80") == "aac"
    assert decoder.kind_of(b"\xff\xfb\x90\x00") == "mp3"
    assert decoder.kind_of(b"\0\0\0\x20ftypM4A ") == "mp4"
    assert decoder.kind_of(b"#EXTM3U") is None


def test_without_ffmpeg_its_formats_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder.shutil, "which", lambda _: None)
    path = at(tmp_path, b"\0\0\0\x20ftypM4A " + bytes(1_000))
    with (
        path.open("rb") as file,
        pytest.raises(decoder.Refused, match="mp4, for which this server lacks ffmpeg"),
    ):
        decoder.decode(file, sys.stdout.buffer, 0, 600)
