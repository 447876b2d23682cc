"""What the operator sets for one account."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.model.limits import LimitAction, LimitClass, Limits
from zrokd.wire import operator_answers
from zrokd.wire.fields import NotOneOf, choice, text
from zrokd.wire.modes import mode_from_wire
from zrokd.wire.operator_requests import (
    ApplyLimitClasses,
    ListLimitClasses,
    MakeLimitClass,
    OneLimitClass,
)
from zrokd.wire.requests import OneAccount, from_wire


def create_class(call: Call) -> Answer:
    """POST /zrokd/limit-class."""
    asked = from_wire(MakeLimitClass, call.body)
    made = call.services.privileges.create_class(
        LimitClass(
            label=asked.label,
            backend_mode=mode_from_wire(asked.backend_mode),
            limits=Limits(
                environments=asked.environments,
                shares=asked.shares,
                names=asked.unique_names,
                accesses=asked.share_frontends,
            ),
            period_minutes=asked.period_minutes,
            rx_bytes=asked.rx_bytes,
            tx_bytes=asked.tx_bytes,
            total_bytes=asked.total_bytes,
            limit_action=choice(call.body, "limitAction", LimitAction, LimitAction.LIMIT),
        )
    )
    return Answer(201, operator_answers.limit_class_to_wire(made))


def delete_class(call: Call) -> Answer:
    """DELETE /zrokd/limit-class."""
    call.services.privileges.delete_class(from_wire(OneLimitClass, call.body).id)
    return OK


def list_classes(call: Call) -> Answer:
    """POST /limit-class/list. Without a label: all."""
    found = call.services.privileges.classes(from_wire(ListLimitClasses, call.body).label)
    return Answer(200, [operator_answers.limit_class_to_wire(one) for one in found])


def apply(call: Call) -> Answer:
    """POST /applied-limit-class."""
    asked = from_wire(ApplyLimitClasses, call.body)
    call.services.privileges.apply(asked.email, asked.limit_class_ids)
    return OK


def take_out(call: Call) -> Answer:
    """DELETE /applied-limit-class."""
    asked = from_wire(ApplyLimitClasses, call.body)
    call.services.privileges.take_out(asked.email, asked.limit_class_ids)
    return OK


def applied(call: Call) -> Answer:
    """POST /applied-limit-class/list."""
    found = call.services.privileges.applied(from_wire(OneAccount, call.body).email)
    return Answer(200, [operator_answers.limit_class_to_wire(one) for one in found])


def skips(call: Call) -> Answer:
    """GET /skip-interstitial-grant?email=E."""
    email = text(call.query, "email")
    if not email:
        raise NotOneOf("email in query is required", code=602)  # [zrok]
    return Answer(
        200, operator_answers.skip_grant_to_wire(email, granted=call.services.privileges.skips_interstitial(email))
    )


def grant_skip(call: Call) -> Answer:
    """POST /skip-interstitial-grant."""
    call.services.privileges.grant_skip(from_wire(OneAccount, call.body).email)
    return OK


def revoke_skip(call: Call) -> Answer:
    """DELETE /skip-interstitial-grant."""
    call.services.privileges.revoke_skip(from_wire(OneAccount, call.body).email)
    return OK
