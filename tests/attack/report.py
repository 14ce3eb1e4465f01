"""Tables of what an attack sent, measured and found."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.attack import oracle
from tests.attack.findings import Findings
from tests.attack.rounds import Attack


def summary(console: Console, attack: Attack, findings: Findings, modules: Mapping[str, int]) -> None:
    """Print what was sent, what became of it, what it cost, and what did not hold."""
    console.print(_sent(attack))
    console.print(_figures(attack, modules))
    if findings:
        console.print(_found(findings))
        console.print(f"{len(findings)} findings; each is a file in {findings.folder}")
    else:
        console.print("no findings")


def _sent(attack: Attack) -> Table:
    table = Table("kind", "sent", title="messages")
    for kind, count in sorted(attack.sent.items()):
        table.add_row(_plain(kind), f"{count:,}")
    return table


def _figures(attack: Attack, modules: Mapping[str, int]) -> Table:
    seen = attack.seen
    table = Table("figure", "value", title="figures")
    for name, value in {
        "rounds": f"{attack.number:,}",
        "messages": f"{sum(attack.sent.values()):,}",
        "served": f"{seen.served:,}",
        "refused or failed, with a row": f"{seen.refused:,}",
        "set aside": f"{seen.set_aside:,}",
        "peak of a main process": f"{seen.main_mib:,} MiB (at most {oracle.MAIN_MIB:,})",
        "peak of a child": f"{seen.child_mib:,} MiB (at most {oracle.CHILD_MIB:,})",
        "slowest good call": f"{seen.slowest_good_s:.2f} s",
        **{f"modules {name}": f"{count:,}" for name, count in modules.items()},
    }.items():
        table.add_row(name, value)
    return table


def _found(findings: Findings) -> Table:
    table = Table("times", "what", "sign", "kinds", "file", title="findings")
    for defect, count in sorted(findings.counts.items(), key=lambda found: (found[0][0], -found[1])):
        what, sign = defect
        kinds = ", ".join(kind for kind, _ in findings.kinds[defect].most_common(4))
        table.add_row(f"{count:,}", what, _plain(sign), _plain(kinds), findings.files[defect].name)
    return table


def _plain(text: str) -> str:
    """Return the text as one line that rich does not read as markup."""
    return text.replace("[", "\\[").encode("unicode_escape").decode().replace("\\\\", "\\")
