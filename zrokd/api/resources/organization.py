"""Organizations: the operator's operations, and those of members."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Answer, Call
from zrokd.api.resources.metadata import overview_document
from zrokd.wire import operator_answers
from zrokd.wire.operator_requests import MakeOrganization, OneMember, OneOrganization, PutMember
from zrokd.wire.requests import from_wire


def create(call: Call) -> Answer:
    """POST /organization."""
    made = call.services.organizations.create(from_wire(MakeOrganization, call.body).description)
    return Answer(201, operator_answers.created_organization_to_wire(made))


def delete(call: Call) -> Answer:
    """DELETE /organization."""
    call.services.organizations.delete(from_wire(OneOrganization, call.body).organization_token)
    return OK


def listing(call: Call) -> Answer:
    """GET /organizations."""
    return Answer(200, operator_answers.organizations_to_wire(call.services.organizations.list()))


def add(call: Call) -> Answer:
    """POST /organization/add. Who is in it already is an admin or not, as said last."""
    asked = from_wire(PutMember, call.body)
    call.services.organizations.put_member(asked.organization_token, asked.email, admin=asked.admin)
    return CREATED


def remove(call: Call) -> Answer:
    """POST /organization/remove."""
    asked = from_wire(OneMember, call.body)
    call.services.organizations.remove_member(asked.organization_token, asked.email)
    return OK


def members(call: Call) -> Answer:
    """POST /organization/list."""
    token = from_wire(OneOrganization, call.body).organization_token
    return Answer(200, operator_answers.members_to_wire(call.services.organizations.members(token)))


def memberships(call: Call) -> Answer:
    """GET /memberships."""
    found = call.services.organizations.memberships(call.principal)
    return Answer(200, operator_answers.memberships_to_wire(found))


def members_for_admin(call: Call) -> Answer:
    """GET /members/{organization_token}."""
    found = call.services.organizations.members_for(call.path["organization_token"], call.principal)
    return Answer(200, operator_answers.members_to_wire(found))


def overview_for_admin(call: Call) -> Answer:
    """GET /overview/{organization_token}/{account_email}."""
    found = call.services.organizations.overview_for(
        call.path["organization_token"], call.path["account_email"], call.principal
    )
    return Answer(200, overview_document(found))
