"""The pages of a merchant's people: who sends them, and what a good form is."""

from merchants.models import Role
from tests.bad_input.browsers import get_invitation
from tests.bad_input.cases import Case
from tests.bad_input.good_forms import nothing
from tests.bad_input.scene import Scene
from tests.tenants import get_role


def role_of(scene: Scene, name: str) -> Role:
    """A role of the scene's merchant."""
    return get_role(scene.merchant, name)


PEOPLE_CASES: dict[str, Case] = {
    "merchants:invite": Case(
        form=lambda s: {"email": f"new-{s.mark}@northwind-it.example", "role": role_of(s, "reader").reference},
        free=("email",),
    ),
    "merchants:resend_invitation": Case(form=nothing, path=lambda s: {"invitation_ref": get_invitation(s).reference}),
    "merchants:withdraw_invitation": Case(form=nothing, path=lambda s: {"invitation_ref": get_invitation(s).reference}),
    "merchants:save_member": Case(
        form=lambda s: {"role": role_of(s, "admin").reference}, path=lambda s: {"user_ref": s.tenant.user.reference}
    ),
    "merchants:remove_member": Case(form=nothing, path=lambda s: {"user_ref": s.tenant.user.reference}),
    "merchants:add_role": Case(
        form=lambda s: {
            "name": "Front desk",
            "rights": "manage_payers",
            "refund_limit": "",
            "requires_second_factor": "on",
        }
    ),
    "merchants:role": Case(
        form=lambda s: {"name": "Clerk", "rights": "books", "refund_limit": "", "requires_second_factor": "on"},
        path=lambda s: {"role_ref": role_of(s, "books").reference},
    ),
    "merchants:delete_role": Case(form=nothing, path=lambda s: {"role_ref": role_of(s, "books").reference}),
    "merchants:leave": Case(form=nothing),
    "merchants:second_factor": Case(query=lambda s: {"next": "/"}, free=("next",)),
    "merchants:join": Case(who="joining", form=lambda s: {"name": "Ada", "password": "correct-horse-battery"}),
    "merchants:join_switch": Case(who="nobody", form=nothing),
}
