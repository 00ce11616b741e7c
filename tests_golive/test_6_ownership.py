"""Section 6 of the runbook: ownership and communication."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from golive.evidence import Recorder
    from golive_fixtures.people import Ownership


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("6-raci")
def test_every_role_is_filled_and_reachable(ownership: Ownership, evidence: Recorder) -> None:
    """Six roles and the approver MUST have a name and a contact; driver and approver MUST be two where two are asked.

    Runbook: section 6
    """
    evidence.attach("roles", "\n".join(f"{role}: {name or 'nobody'}" for role, name in ownership.names))
    evidence.check(
        not ownership.unfilled,
        expected="six roles named, and the approver where one is given (golive.toml: [people])",
        observed=f"nobody for: {', '.join(ownership.unfilled)}" if ownership.unfilled else "all named",
        fix="name a person for each role in golive.toml, [people]; TBD, n/a and the like are nobody",
    )
    evidence.check(
        not ownership.unreachable,
        expected="each with a contact: mailto:, tel:+, https://, slack: or pagerduty:",
        observed=f"none for: {', '.join(ownership.unreachable)}" if ownership.unreachable else "each has one",
        fix="write a contact for each of them in golive.toml, [people]",
    )
    evidence.check(
        ownership.approver_differs or not ownership.two_person,
        expected="release driver and approver are two people (golive.toml: people.two_person)",
        observed=f"driver {ownership.driver}, approver {ownership.approver}; "
        f"reached by {ownership.driver_contact} and {ownership.approver_contact}",
        fix="name another approver with a contact of their own in golive.toml, or set people.two_person = false, "
        "which the report shows",
    )
