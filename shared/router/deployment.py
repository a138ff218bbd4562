"""A deployment: its processes, and the requests that wait until one of them is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from shared.router.config import DeploymentConfig
from shared.router.metrics import Figures
from shared.router.process import Process


class Waiting(Protocol):
    """A request that waits for a process."""

    def go_on(self) -> None:
        """Try again; it may come back to wait."""
        ...

    def reroute(self) -> None:
        """Its deployment is gone: try another."""
        ...


class Deployment:
    """As the file says now. Its figures, and processes that stay, outlive a change of the file."""

    def __init__(self, config: DeploymentConfig, figures: Figures) -> None:
        self.config = config
        self.name = config.name
        self.weight = config.weight
        self.header_line = b"azureml-model-deployment: " + config.name.encode() + b"\r\n"
        self.figures = figures
        self.processes: list[Process] = []
        self.leaving: list[Process] = []  # no longer in the file, and still answering
        self._held: deque[Waiting] = deque()
        self._gone = False  # from the file

    def update(self, config: DeploymentConfig) -> None:
        """Take over a new file: new processes are used from now on, those that are gone finish what they do."""
        self.config, self.weight = config, config.weight
        kept = {process.address: process for process in self.processes}
        back = {process.address: process for process in self.leaving}
        self.processes = []
        for address in config.processes:
            process = kept.pop(address, None) or back.pop(address, None) or Process(address, self.wake)
            process.draining = False
            self.processes.append(process)
        self.leaving = [*back.values(), *kept.values()]
        for process in self.leaving:
            process.drain()
        self.wake()

    def leave(self) -> None:
        """It is gone from the file: what is under way is finished, what waits is sent elsewhere."""
        self._gone = True
        self.update(DeploymentConfig(self.name, 0, ()))
        held, self._held = self._held, deque()
        self.figures.held = 0
        for waiting in held:
            waiting.reroute()

    @property
    def down(self) -> bool:
        """Whether it is gone, or has processes and none takes requests. One that is scaled to zero is not down: it is
        waited for."""
        processes = self.processes
        return self._gone or (bool(processes) and not any(process.up for process in processes))

    def process(self) -> Process | None:
        """The one that takes requests and has the fewest under way; None when there is none."""
        best: Process | None = None
        for process in self.processes:
            if process.up and (best is None or process.in_flight < best.in_flight):
                best = process
        return best

    def all_processes(self) -> Iterator[Process]:
        """Those of the file, and those that are leaving."""
        yield from self.processes
        yield from self.leaving

    # --- waiting ---
    def hold(self, waiting: Waiting, most: int) -> bool:
        """Have it wait for a process; False when `most` wait already."""
        if len(self._held) >= most:
            return False
        self._held.append(waiting)
        self.figures.held = len(self._held)
        return True

    def release(self, waiting: Waiting) -> None:
        """It waits no longer; nothing happens when it did not."""
        if waiting in self._held:
            self._held.remove(waiting)
        self.figures.held = len(self._held)

    def wake(self) -> None:
        """Let those that wait go on, when there is a process for them."""
        if not self._held or self.process() is None:
            return
        held, self._held = self._held, deque()
        self.figures.held = 0
        for waiting in held:
            waiting.go_on()

    def sweep(self, now_s: float) -> None:
        """Look after time limits, and forget processes that have left."""
        for process in self.processes:
            process.sweep(now_s)
        self.leaving = [process for process in self.leaving if process.in_flight]
