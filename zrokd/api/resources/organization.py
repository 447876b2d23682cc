"""Organizations: the operator's operations, and those of members."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Call, Created, Done, Found, Listed, Made, reads, tells
from zrokd.api.resources.metadata import overview_document
from zrokd.wire import operator_answers
from zrokd.wire.operator_requests import MakeOrganization, OneMember, OneOrganization, PutMember


@tells(operator_answers.created_organization_to_wire)
@reads(MakeOrganization)
def create(call: Call, asked: MakeOrganization) -> Created:
    """POST /organization."""
    made = call.services.organizations.create(asked.description)
    return Created(operator_answers.created_organization_to_wire(made))


@reads(OneOrganization)
def delete(call: Call, asked: OneOrganization) -> Done:
    """DELETE /organization."""
    call.services.organizations.delete(asked.organization_token)
    return OK


def listing(call: Call) -> Listed:
    """GET /organizations."""
    found = call.services.organizations.list()
    return Listed(lambda: operator_answers.organizations_to_wire(found))


@reads(PutMember)
def add(call: Call, asked: PutMember) -> Made:
    """POST /organization/add. Who is in it already is an admin or not, as said last."""
    call.services.organizations.put_member(asked.organization_token, asked.email, admin=asked.admin)
    return CREATED


@reads(OneMember)
def remove(call: Call, asked: OneMember) -> Done:
    """POST /organization/remove."""
    call.services.organizations.remove_member(asked.organization_token, asked.email)
    return OK


@reads(OneOrganization)
def members(call: Call, asked: OneOrganization) -> Listed:
    """POST /organization/list."""
    found = call.services.organizations.members(asked.organization_token)
    return Listed(lambda: operator_answers.members_to_wire(found))


def memberships(call: Call) -> Found:
    """GET /memberships."""
    found = call.services.organizations.memberships(call.principal)
    return Found(operator_answers.memberships_to_wire(found))


def members_for_admin(call: Call) -> Listed:
    """GET /members/{organization_token}."""
    found = call.services.organizations.members_for(call.path["organization_token"], call.principal)
    return Listed(lambda: operator_answers.members_to_wire(found))


def overview_for_admin(call: Call) -> Listed:
    """GET /overview/{organization_token}/{account_email}."""
    found = call.services.organizations.overview_for(
        call.path["organization_token"], call.path["account_email"], call.principal
    )
    return Listed(lambda: overview_document(found))
