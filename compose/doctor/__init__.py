"""What `tutti doctor` looks at, in this order; each check says what it found and what to do."""

from collections.abc import Callable, Iterator

from compose.doctor import disks, network, servers, visitors
from compose.doctor import machine as machine
from compose.doctor.finding import Finding
from tasks.settings import Settings

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    machine.python,
    machine.settings_file,
    machine.surroundings,
    machine.working_folder,
    network.port,
    network.opened,
    network.certificate,
    network.front,
    visitors.front,
    visitors.everybody,
    disks.sockets,
    disks.songs,
    disks.state,
    machine.engine,
    machine.uploads,
    servers.broker,
    servers.ledger,
    servers.elasticsearch,
)

__all__ = ["CHECKS", "Finding"]
