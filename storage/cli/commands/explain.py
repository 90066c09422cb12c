"""``explain``: why a record is where it is."""

from storage.cli.opening import opened
from storage.cli.options import AsJson, RecordText, TenantId
from storage.cli.output import (
    bad,
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_table,
    print_value,
)
from storage.cli.reason_texts import reason_text


def explain(tenant: TenantId, record_id: RecordText, as_json: AsJson = False) -> None:
    """Explain where a record is stored, and why each other backend was not chosen."""
    with opened() as store:
        found = store.tenant(tenant).explain(record_id)
    if as_json:
        print_json(found)
        return
    states = {replica.backend: replica.state.value for replica in found.replicas}
    print_value(str(found.id))
    taken_in = found.origin
    origin = (
        [("origin", f"{taken_in.date}, from the source {taken_in.source.hex()}")]
        if taken_in is not None
        else []
    )
    print_facts(
        [
            *origin,
            ("readable until", format_time(found.readable_until, never="you erase it")),
            ("deleted by", format_time(found.deadline, never="no deadline")),
        ],
        indent=2,
    )
    print_blank()
    print_table(
        ("backend", "region", "location", "allowed", "replica", "reason"),
        [
            (
                v.backend,
                v.region,
                v.located,
                good("yes") if v.allowed else bad("no"),
                states.get(v.backend, "-"),
                reason_text(v.reason),
            )
            for v in found.verdicts
        ],
    )
    if found.uses:
        print_blank()
        print_table(
            ("used for", "run or model", "job", "at (UTC)"),
            [(x.purpose, x.run, x.job or "-", format_time(x.at)) for x in found.uses],
        )
