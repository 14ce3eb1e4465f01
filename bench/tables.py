"""Printing of the measured figures for people; each function also returns its figures as data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.harness import Measured

if TYPE_CHECKING:
    from bench.jobs import Job


def job(job: "Job", found: Sequence[Measured], promises: Mapping[str, float]) -> dict[str, Any]:
    """Print one job's figures, and return them as data."""
    sandbox = next(one for one in found if one.kind == "sandbox")
    best = min((one.seconds for one in found if one.kind == "native"), default=None)
    print(f"\n{job.operation}  {job.input}  {job.size_bytes:,} bytes")
    for one in found:
        rate = job.size_bytes / one.seconds / 1e6
        ratio = f"{best / one.seconds:6.2f}x" if best else "      -"
        promise = _promise(job, one, sandbox, promises)
        print(f"  {one.name:<26} {one.seconds * 1e3:>10.3f} ms {rate:>9.1f} MB/s  {ratio}{promise}")
    medians = {one.name: one.seconds for one in found}
    return {"operation": job.operation, "input": job.input, "size_bytes": job.size_bytes, "seconds": medians}


def _promise(job: "Job", one: Measured, sandbox: Measured, promises: Mapping[str, float]) -> str:
    if job.operation != "ast.validate" or one.name not in promises:
        return ""
    reached, promised = one.seconds / sandbox.seconds, promises[one.name]
    verdict = "met" if reached >= promised else "NOT MET"
    return f"   the sandbox is {reached:.1f}x as fast; promised {promised:g}x: {verdict}"


def costs(found: Mapping[str, float]) -> dict[str, float]:
    """Print the sandbox's own costs, and return them."""
    print("\nthe sandbox itself")
    for name, microseconds in found.items():
        print(f"  {name:<56} {microseconds:>10.1f} µs")
    return dict(found)


def idle(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Print what each process of an idle fleet costs, and return it."""
    print("\nan idle fleet, as `make run` starts it")
    for name, of in found.items():
        print(
            f"  {name:<30} {of['cpu_percent']:>8.2f} % of a core {of['commands_a_second']:>8.2f} commands/s"
        )
    totals = {unit: sum(of[unit] for of in found.values()) for unit in ("cpu_percent", "commands_a_second")}
    print(
        f"  {'all':<30} {totals['cpu_percent']:>8.2f} % of a core {totals['commands_a_second']:>8.2f} commands/s"
    )
    return {**{name: dict(of) for name, of in found.items()}, "all": totals}
