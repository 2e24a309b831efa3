"""From log files to Elasticsearch: every line once, whatever stops, rotates or rolls over in between.

Why not only Filebeat or rsyslog: both deliver at least once and let a rollover double what was in flight.
`filebeat.yml` beside this file gives the same documents to those who run it anyway.
"""

from observability.shipper.run import run

__all__ = ["run"]
