"""`python -m shared.profiling --model FOLDER --sample FILE --target-rps 50 --p99-ms 50`: without a control plane."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from shared.errors import SlipwayError
from shared.profiling.limits import METHODS
from shared.profiling.picture import svg
from shared.profiling.plan import ProfilePlan
from shared.profiling.prices import EXAMPLE, read_prices
from shared.profiling.profile import Progress, profile
from shared.resources.profile import ProfileResult, ProfileState

EXIT_WITHOUT_RESULT, EXIT_REFUSED = 1, 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shared.profiling",
        description="Measures which CPU and memory a model needs to answer so many requests per second in time.",
    )
    parser.add_argument("--model", type=Path, metavar="PATH", help="a folder with the model, or an .onnx file")
    parser.add_argument("--entry-script", type=Path, metavar="PATH", help="a script with init() and run()")
    parser.add_argument(
        "--sample", type=Path, metavar="FILE", required=True, help="request bodies: .jsonl, .json, .csv"
    )
    parser.add_argument("--target-rps", type=float, metavar="N", required=True, help="requests per second")
    parser.add_argument("--p99-ms", type=float, metavar="MS", required=True, help="that 99 %% of them may take")
    parser.add_argument("--max-memory-gb", type=float, metavar="GB", default=2.0, help="that may be recommended [2]")
    parser.add_argument("--timeout-s", type=float, metavar="S", default=1_500.0, help="for everything [1500]")
    parser.add_argument("--method", choices=METHODS, help="how to limit [the best that this machine allows]")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="another table of prices")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="save the picture of latency by load")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    return parser


async def _run(asked: argparse.Namespace) -> ProfileResult:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    plan = ProfilePlan(
        model=asked.model,
        sample=asked.sample,
        target_rps=asked.target_rps,
        p99_ms=asked.p99_ms,
        entry_script=asked.entry_script,
        max_memory_gb=asked.max_memory_gb,
        total_timeout_s=asked.timeout_s,
        method=asked.method,
    )
    prices = read_prices(asked.prices) if asked.prices else None
    return await profile(plan, _say, stop=stop, prices=prices)


def _say(progress: Progress) -> None:
    sys.stderr.write(f"{progress}\n")


def _text(result: ProfileResult) -> str:
    lines = [f"state            {result.state.value}"]
    if result.recommended_cpu is not None:
        proof = "proven by repeats" if result.proven else "not proven"
        lines += [
            f"recommended      {result.recommended_cpu:g} CPU, {result.recommended_memory_in_gb:g} GB ({proof})",
            f"server           {result.recommended_threads} threads, batches of up to "
            f"{result.recommended_max_batch_rows} rows after {result.recommended_batch_delay_in_ms:g} ms",
            f"latency          p50 {result.latency_percentile_50_in_ms:.1f} ms, "
            f"p99 {result.latency_percentile_99_in_ms:.1f} ms at {result.measured_queries_per_second:.0f}/s",
            f"highest rate     {result.max_queries_per_second:g}/s within the target",
            f"most used        {result.max_utilized_cpu:.3f} CPU, {result.max_utilized_memory_in_gb:.3f} GB",
            f"start            {result.start_up_time_in_s:.2f} s",
        ]
    lines.append(f"limited by       {result.limits_method}")
    if result.latency_interval_in_ms is not None:
        interval = result.latency_interval_in_ms
        lines.append(f"p99, 95 % sure   {interval.low:.1f} to {interval.high:.1f} ms")
    lines += [f"error            {result.error}"] if result.error else []
    lines += [f"note             {note}" for note in result.notes]
    lines += [
        f"{each.monthly_price:9.2f} {each.currency}/month  {each.target}: {each.basis}"
        + (f" ({EXAMPLE})" if each.is_example else "")
        for each in result.prices
    ]
    return "\n".join([*lines, *(f"log: {line}" for line in result.log_tail)]) + "\n"


def main() -> int:
    """0 with a recommendation, 1 without one, 2 when what was given is wrong."""
    asked = _parser().parse_args()
    try:
        result = asyncio.run(_run(asked))
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_REFUSED
    if asked.svg:
        asked.svg.write_text(svg(result))
    sys.stdout.write(json.dumps(result.as_json(), indent=2) + "\n" if asked.json else _text(result))
    found = result.state is ProfileState.SUCCEEDED and result.recommended_cpu is not None
    return 0 if found else EXIT_WITHOUT_RESULT


if __name__ == "__main__":
    sys.exit(main())
