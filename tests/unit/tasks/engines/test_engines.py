import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from tasks import engines
from tasks.engines import UnknownEngine, load_engine, model_of, resolve
from tasks.settings import Settings


def test_an_engine_is_found_by_module_and_class() -> None:
    settings = Settings(engine="tests.engines:Tone")
    assert type(load_engine(settings)).__name__ == "Tone"
    assert (model_of(settings).name, model_of(settings).songs) == ("tone", 4)


def test_the_batch_setting_decides_over_what_suits_the_engine() -> None:
    assert model_of(Settings(engine="tests.engines:Tone", batch=9)).songs == 9


def test_an_unknown_engine_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownEngine, match="sketch"):
        load_engine(Settings(engine="none"))


def test_auto_means_an_engine_that_exists() -> None:
    assert resolve(Settings(engine="auto")) in {"sketch", "acestep"}


def test_auto_takes_acestep_only_where_a_gpu_and_the_model_are(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(engines, "_has_gpu", lambda: True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert resolve(Settings(model=str(tmp_path))) == "sketch"
    assert resolve(Settings(model="nobody/has-this-one")) == "sketch"
    (tmp_path / "model_index.json").write_text("{}")
    assert resolve(Settings(model=str(tmp_path))) == "sketch", "an index without weights is no model"
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text('{"is_turbo": true}')
    save_file(
        {"w": np.zeros(1, np.float32)}, tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    )
    assert resolve(Settings(model=str(tmp_path))) == "acestep"
    monkeypatch.setattr(engines, "_has_gpu", lambda: False)
    assert resolve(Settings(model=str(tmp_path))) == "sketch"


def test_naming_the_model_never_loads_torch() -> None:
    code = (
        "import sys; from tasks.engines import model_of; from tasks.settings import Settings;"
        "print(model_of(Settings(engine='acestep')).version); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
