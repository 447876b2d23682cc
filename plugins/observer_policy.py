"""The operator's rules for what may be shared, and by whom."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Observer, Settings
from zrokd.model.account import Principal
from zrokd.model.environment import EnvironmentDraft
from zrokd.model.limits import Refusal
from zrokd.model.share import Share, ShareDraft, ShareMode


class PolicySettings(Settings):
    """Settings of observer.policy. What is left out is not restricted."""

    modes: list[str] | None = Field(default=None, description="The backend modes that may be shared.")
    email_domains: list[str] | None = Field(
        default=None, description="Domains whose accounts may enable hosts; .example.com means those below it."
    )
    forbidden_names: list[str] = Field(
        default_factory=list, description="Names nobody may share under, such as www or admin*; * and ? match."
    )
    private: bool = Field(default=True, description="Whether there may be private shares, and accesses to shares.")


class PolicyObserver(Observer):
    """Refuses what the rules do not allow."""

    name = "policy"
    Settings = PolicySettings

    @hookimpl
    def zrokd_review_environment(self, draft: EnvironmentDraft, principal: Principal) -> Refusal | None:  # noqa: ARG002
        """By the account's e-mail domain."""
        domain = principal.email.rpartition("@")[2].lower()
        allowed = self.settings.email_domains
        if allowed is None or any(_covers(rule.lower(), domain) for rule in allowed):
            return None
        return self._no(f"accounts of {domain} may not enable hosts here")

    @hookimpl
    def zrokd_review_share(self, draft: ShareDraft) -> Refusal | None:
        """By mode, name and share mode."""
        if self.settings.modes is not None and draft.mode not in self.settings.modes:
            return self._no(f"the mode {draft.mode} may not be shared here")
        if draft.share_mode == ShareMode.PRIVATE and not self.settings.private:
            return self._no("there are no private shares here")
        for selection in draft.selections:
            if any(fnmatchcase(selection.name, pattern.lower()) for pattern in self.settings.forbidden_names):
                return self._no(f"the name {selection.name} may not be used here")
        return None

    @hookimpl
    def zrokd_review_access(self, share: Share) -> Refusal | None:  # noqa: ARG002
        """None where nothing is private."""
        return None if self.settings.private else self._no("there are no private accesses here")

    def _no(self, reason: str) -> Refusal:
        return Refusal(reason=reason, plugin=self.name)


def _covers(rule: str, domain: str) -> bool:
    return domain.endswith(rule) if rule.startswith(".") else domain == rule


@hookimpl
def zrokd_provide_observers() -> Iterable[type[Observer]]:
    """The observer of this module."""
    return [PolicyObserver]
