"""ACE-Step 1.5's own HTTP API, for clients that already speak it.

Source: https://github.com/ace-step/ACE-Step-1.5 (`acestep/api_server.py`, `acestep/api/`). What would change
the song and is not done here is refused by name; where ACE-Step's own server goes on without its language
model, so does this one, and the answer says so. `conformance` lists every endpoint and field.
"""

from web.api.acestep import adapters, chat, health, language, models, tasks

ROUTERS = (tasks.router, models.router, adapters.router, language.router, chat.router, health.router)
