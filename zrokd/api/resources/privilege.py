"""What the operator sets for one account."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, Found, queried, reads, tells
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
from zrokd.wire.requests import OneAccount


@tells(operator_answers.limit_class_to_wire)
@reads(MakeLimitClass)
def create_class(call: Call, asked: MakeLimitClass) -> Created:
    """POST /zrokd/limit-class."""
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
    return Created(operator_answers.limit_class_to_wire(made))


@reads(OneLimitClass)
def delete_class(call: Call, asked: OneLimitClass) -> Done:
    """DELETE /zrokd/limit-class."""
    call.services.privileges.delete_class(asked.id)
    return OK


@reads(ListLimitClasses)
def list_classes(call: Call, asked: ListLimitClasses) -> Found:
    """POST /limit-class/list. Without a label: all."""
    found = call.services.privileges.classes(asked.label)
    return Found([operator_answers.limit_class_to_wire(one) for one in found])


@reads(ApplyLimitClasses)
def apply(call: Call, asked: ApplyLimitClasses) -> Done:
    """POST /applied-limit-class."""
    call.services.privileges.apply(asked.email, asked.limit_class_ids)
    return OK


@reads(ApplyLimitClasses)
def take_out(call: Call, asked: ApplyLimitClasses) -> Done:
    """DELETE /applied-limit-class."""
    call.services.privileges.take_out(asked.email, asked.limit_class_ids)
    return OK


@reads(OneAccount)
def applied(call: Call, asked: OneAccount) -> Found:
    """POST /applied-limit-class/list."""
    found = call.services.privileges.applied(asked.email)
    return Found([operator_answers.limit_class_to_wire(one) for one in found])


@queried("email")
def skips(call: Call) -> Found:
    """GET /skip-interstitial-grant?email=E."""
    email = text(call.query, "email")
    if not email:
        raise NotOneOf("email in query is required", code=602)  # [zrok]
    return Found(operator_answers.skip_grant_to_wire(email, granted=call.services.privileges.skips_interstitial(email)))


@reads(OneAccount)
def grant_skip(call: Call, asked: OneAccount) -> Done:
    """POST /skip-interstitial-grant."""
    call.services.privileges.grant_skip(asked.email)
    return OK


@reads(OneAccount)
def revoke_skip(call: Call, asked: OneAccount) -> Done:
    """DELETE /skip-interstitial-grant."""
    call.services.privileges.revoke_skip(asked.email)
    return OK
