"""Runs functions as the Python worker does: converters of azure-functions, sync functions in a pool of threads, async
functions on the loop, a Context, and the host's time limit."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

from shared.local_host.app_loader import FunctionDescription
from shared.local_host.converters import converter

logger = logging.getLogger("slipway.host")
_thread_local = threading.local()


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """How an invocation ended."""

    succeeded: bool
    output: Datum | None = None  # what $return was encoded to
    error: str = ""  # type and message of the exception, when it failed
    cancelled: bool = False  # it did not fail: the host stopped before it ended


@dataclass(frozen=True, slots=True)
class RetryContext:
    """Which retry of its function's policy an invocation is."""

    retry_count: int = 0  # 0: not a retry
    max_retry_count: int = 0
    exception: None = None


class InvocationContext(func.Context):
    """What a function with a `context` parameter gets."""

    def __init__(self, function: FunctionDescription, invocation_id: str, retry: RetryContext) -> None:
        self._function = function
        self._invocation_id = invocation_id
        self._retry = retry

    @property
    def invocation_id(self) -> str:
        """A UUID of this invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """`.invocation_id` may be set by threads of the function, for their logs."""
        return _thread_local

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """Where the function's module is."""
        return self._function.directory

    @property
    def trace_context(self) -> Any:
        """None: the local host starts no traces."""
        return None

    @property
    def retry_context(self) -> Any:  # azure.functions exports no type for it
        """Which retry this is, by the function's retry policy."""
        return self._retry


class Invoker:
    """Starts invocations and knows which are running."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        threads = min(32, (os.cpu_count() or 1) + 4)  # the worker's default
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._running: set[asyncio.Task[InvocationResult]] = set()
        self._draining = False

    @property
    def running_count(self) -> int:
        """How many invocations run now."""
        return len(self._running)

    def start(
        self,
        function: FunctionDescription,
        data: Datum,
        metadata: Mapping[str, Datum] | None = None,
        *,
        retry: RetryContext = RetryContext(),
    ) -> asyncio.Task[InvocationResult]:
        """Invoke with `data` for the trigger's parameter. The task never raises; while the host stops, its result is a
        cancelled one at once."""
        task = asyncio.create_task(self._invoke(function, data, metadata or {}, retry))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, timeout_s: float) -> None:
        """Start nothing more, let what runs end for up to timeout_s, then cancel it and give up waiting for threads."""
        self._draining = True
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)
        left = set(self._running)
        for task in left:
            task.cancel()
        if left:
            logger.warning("%d invocations did not end in %g s and were cancelled", len(left), timeout_s)
            await asyncio.wait(left, timeout=2)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _invoke(
        self, function: FunctionDescription, data: Datum, metadata: Mapping[str, Datum], retry: RetryContext
    ) -> InvocationResult:
        invocation_id = str(uuid.uuid4())
        began = time.monotonic()
        if self._draining:
            return InvocationResult(False, error="the host is stopping", cancelled=True)
        try:
            async with asyncio.timeout(self._timeout_s):
                output = await self._run(function, data, metadata, InvocationContext(function, invocation_id, retry))
            result = InvocationResult(True, output)
        except asyncio.CancelledError:
            result = InvocationResult(False, error="the host stopped", cancelled=True)
        except Exception as error:  # the function's own errors, whatever they are
            result = InvocationResult(False, error=self._describe(function, error))
            logger.error("%s failed (id %s)", function.name, invocation_id, exc_info=error)
        outcome = "succeeded" if result.succeeded else "failed"
        duration_ms = (time.monotonic() - began) * 1000
        logger.debug("%s %s (id %s, %.0f ms)", function.name, outcome, invocation_id, duration_ms)
        return result

    def _describe(self, function: FunctionDescription, error: Exception) -> str:
        if isinstance(error, TimeoutError) and self._timeout_s is not None:
            return f"{function.name} exceeded the functionTimeout of {self._timeout_s:g} s, or a step of it timed out"
        return f"{type(error).__name__}: {error}"

    async def _run(
        self, function: FunctionDescription, data: Datum, metadata: Mapping[str, Datum], context: InvocationContext
    ) -> Datum | None:
        decoded = converter(function.converter_type).decode(data, trigger_metadata=metadata)
        arguments = {function.parameter: decoded}
        if function.wants_context:
            arguments["context"] = context
        if function.is_async:
            returned = await function.call(**arguments)
        else:
            returned = await self._in_thread(function, arguments, context.invocation_id)
        if function.return_type is None:
            if returned is not None:
                raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
            return None
        return self._encode(function.return_type, returned)

    async def _in_thread(self, function: FunctionDescription, arguments: dict[str, Any], invocation_id: str) -> Any:
        def call() -> Any:
            _thread_local.invocation_id = invocation_id
            try:
                return function.call(**arguments)
            finally:
                _thread_local.invocation_id = None

        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, call)

    def _encode(self, return_type: str, returned: Any) -> Datum | None:
        try:
            encoded: Datum | None = converter(return_type).encode(returned, expected_type=None)
        except NotImplementedError as error:
            raise TypeError(
                f'unable to encode outgoing TypedData: unsupported type "{return_type}" for Python type '
                f'"{type(returned).__name__}"'
            ) from error
        return encoded
