"""Where settings come from: variables, files that variables name, and `tutti.toml`; first found counts.

    TUTTI_PORT=8001                             a variable
    TUTTI_SECRET_FILE=/run/secrets/tutti        a file with the value, as container engines hand secrets out
    port = 8001                                 in tutti.toml of the working folder, or in TUTTI_CONFIG's file

Names are checked here, since a setting that is misspelt would else be ignored in silence.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from tasks.settings import environment

PREFIX: Final = "TUTTI_"
CONFIG: Final = "TUTTI_CONFIG"
DEFAULT: Final = Path("tutti.toml")
FILE: Final = "_file"  # ends the name of what holds a value's file
LARGEST: Final = 1 << 20  # bytes of a file that holds one value
ONLY_VARIABLES: Final = frozenset({"pass_environment"})  # counts before any file is read


class WrongSettings(ValueError):
    """A setting cannot be read, or there is none of its name. The text says what to do."""


def given(
    names: Collection[str], may_be_empty: Collection[str], source: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """All values that are given, by the settings' names.

    Args:
        names: The settings there are.
        may_be_empty: Those of them to which nothing at all is a value; the others count as not given then.
        source: The variables; this process's own by default.

    Raises:
        WrongSettings: A name is unknown, or a file cannot be read.
    """
    variables = os.environ if source is None else source
    named = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables.items()
        if name.startswith(PREFIX) and name != CONFIG and not environment.is_service(name, value)
    }
    by_variable = _values(named, names, lambda name: PREFIX + name.upper())
    config = _config_file(variables)
    by_config = _values(read_toml(config), names, lambda name: f"{config}: {name}") if config else {}
    if config and (wrong := ONLY_VARIABLES & by_config.keys()):
        raise WrongSettings(
            f"{config}: {min(wrong)}: only the variable {PREFIX}{min(wrong).upper()} can say it"
        )
    found = by_config | by_variable
    return {name: value for name, value in found.items() if value != "" or name in may_be_empty}


def config_file() -> Path | None:
    """The file of settings that counts here, or None."""
    return _config_file(os.environ)


def _config_file(variables: Mapping[str, str]) -> Path | None:
    if chosen := variables.get(CONFIG, "").strip():
        return Path(chosen).absolute()
    return DEFAULT.absolute() if DEFAULT.is_file() else None


def _values(given: Mapping[str, Any], names: Collection[str], say: Any) -> dict[str, Any]:
    """What stands there, with files in the place of those values that name them."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        base = name.removesuffix(FILE)
        if name in names:
            values[name] = value.strip() if isinstance(value, str) else value
        elif name.endswith(FILE) and base in names:
            if str(value).strip():
                if given.get(base) not in (None, ""):
                    raise WrongSettings(f"{say(name)} and {say(base)} are both given; leave one of them out")
                values[base] = _read_value(Path(str(value).strip()), say(name))
        else:
            raise WrongSettings(_unknown(name, names, say))
    return values


def _unknown(name: str, names: Collection[str], say: Any) -> str:
    ends = FILE if name.endswith(FILE) else ""
    near = difflib.get_close_matches(name.removesuffix(FILE), [*names, "config"], n=1, cutoff=0.5)
    hint = f"did you mean {say(near[0] + ends if near[0] != 'config' else near[0])}? " if near else ""
    return f"{say(name)} is no setting; {hint}`tutti settings` lists them all"


def _read_value(path: Path, said: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise WrongSettings(f"{said}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongSettings(f"{said}: {path} is not text (UTF-8)") from error
    if len(content) > LARGEST:
        raise WrongSettings(
            f"{said}: {path} is larger than {LARGEST >> 20} MiB, so it holds no setting's value"
        )
    value = text.strip()
    if not value:
        raise WrongSettings(f"{said}: {path} is empty; write the value into it")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """What stands in a file of settings, by name.

    Raises:
        WrongSettings: It cannot be read.
    """
    try:
        read = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise WrongSettings(f"{path} cannot be read: {error.strerror} ({CONFIG})") from error
    except UnicodeDecodeError as error:
        raise WrongSettings(f"{path} is not text (UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        raise WrongSettings(f"{path} is not TOML: {error}") from error
    for name, value in read.items():
        if isinstance(value, (dict, list)):
            raise WrongSettings(f"{path}: {name}: settings stand by their names alone, such as `port = 8001`")
    return {name.removeprefix(PREFIX).lower() if name.isupper() else name: v for name, v in read.items()}
