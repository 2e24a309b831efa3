"""Settings: each described once (`fields`), checked (`checked`), found (`sources`) and resolved (`resolved`).

Beside them stand the plain functions that make and check URLs and paths (`places`), say where a server
listens and is found (`listening`), and build what a child process gets of the environment (`environment`).
"""

from tasks.settings.resolved import LOCAL, Settings, settings

__all__ = ["LOCAL", "Settings", "settings"]
