"""Give a finished file its name, unless a file of that name is there: at once, and never over another.

A hard link does that on every disk that has them. Many a NAS over SMB and disks of cameras have none; there
Linux renames without replacing (renameat2 of Linux 3.15), which their file systems know.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Final

NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
AT_FDCWD: Final = -100
RENAME_NOREPLACE: Final = 1


def publish_once(temporary: Path, final: Path) -> bool:
    """Give `temporary` the name `final`; its old name may be gone then.

    Returns:
        False where a file of that name was there, which stays as it is.

    Raises:
        OSError: It cannot be done here; nothing has changed.
    """
    try:
        os.link(temporary, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS or sys.platform != "linux":
            raise
        return _rename(temporary, final)
    return True


def _rename(temporary: Path, final: Path) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    old, new = os.fsencode(temporary), os.fsencode(final)
    if libc.renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    raise OSError(number, f"neither links nor renames that replace nothing ({os.strerror(number)})")
