"""ACE-Step 1.5 on many songs at once. Importing this needs the extra `acestep`: torch and diffusers."""

from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.engine import AceStepEngine

__all__ = ["AceStepEngine", "Options"]
