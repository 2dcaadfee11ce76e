"""Users: finding them, making them, changing what they may do."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from portal import audit, extensions, plans
from portal.accounts import links, passwords
from portal.accounts.addresses import canonical_email
from portal.accounts.errors import (
    AddressTaken,
    LastOwner,
    SuspendingOneself,
    UserNotFound,
)
from portal.accounts.login_sessions import end_login_sessions
from portal.accounts.tables import Role, User
from portal.db import db, exclusive, now
from portal.mail import messages
from portal.plans import Plan

OWNERS = "owners"


def find(user_id: int) -> User:
    """Return the user with this id.

    Raises:
        UserNotFound: There is none.
    """
    user = db.session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return user


def find_by_email(email: str) -> User:
    """Return the user with this address, however it is written.

    Raises:
        AddressUnusable: It is no address.
        UserNotFound: There is none.
    """
    user = with_address(canonical_email(email))
    if user is None:
        raise UserNotFound
    return user


def with_address(email: str) -> User | None:
    """Return the user with this canonical address, if there is one."""
    return db.session.scalar(select(User).where(User.email == email))


def list_users() -> Sequence[User]:
    """Return every user, the oldest first."""
    return db.session.scalars(select(User).order_by(User.id)).all()


def owner_exists() -> bool:
    """Whether the portal has an owner."""
    return _count_owners() > 0


def create(
    email: str,
    *,
    role: str = Role.USER,
    password: str | None = None,
    is_verified: bool = False,
) -> User:
    """Make a user by the owner's hand; without a password, a link sets one.

    Raises:
        AddressUnusable, PasswordUnusable: They can't be used.
        AddressTaken: There is a user with this address.
    """
    email = canonical_email(email)
    password_hash = None
    if password is not None:
        passwords.check_password_strength(password, email)
        password_hash = passwords.hash_password(password)
    user = add(email, password_hash, role=Role(role), is_verified=is_verified)
    audit.record("user.created", subject=subject(user), role=str(role))
    return user


def add(
    email: str, password_hash: str | None, *, role: Role, is_verified: bool
) -> User:
    """Add a row for this canonical address.

    Raises:
        AddressTaken: There is one.
    """
    if role == Role.OWNER:
        exclusive(OWNERS)
    exclusive(f"address:{email}")
    if with_address(email) is not None:
        raise AddressTaken(email)
    user = User(
        email=email,
        password_hash=password_hash,
        role=role,
        link_nonce=links.new_nonce(),
        verified_at=now() if is_verified else None,
        # Said, so that the plan can be read before the row is read anew.
        plan_id=None,
    )
    db.session.add(user)
    db.session.flush()
    return user


def give_password(user: User, password: str, *, except_token: str | None) -> None:
    """Give *user* a password; end every session but that with *except_token*.

    Raises:
        PasswordUnusable: It can't be used.
    """
    passwords.check_password_strength(password, user.email)
    user.password_hash = passwords.hash_password(password)
    end_login_sessions(user, except_token=except_token)
    audit.record("password.changed", subject=subject(user), actor_id=user.id)


def tell_password_changed(user: User) -> None:
    """Mail *user* a notice, and a way back in if somebody else did it."""
    forgotten_link = f"{extensions.config().base_url}/forgot-password"
    messages.password_changed(user.email, forgotten_link)


def note_verified(user: User) -> None:
    """Note that *user* has read a message that went to their address."""
    user.verified_at = user.verified_at or now()
    user.signup_nonce_hash = None
    audit.record("user.verified", subject=subject(user), actor_id=user.id)


def suspend(user: User, *, actor_id: int | None = None) -> None:
    """Shut *user* out, and end their login sessions and links.

    Raises:
        SuspendingOneself: *actor_id* is the user.
        LastOwner: There is no other owner.
    """
    if actor_id == user.id:
        raise SuspendingOneself
    _check_not_last_owner(user)
    if user.suspended_at is None:
        user.suspended_at = now()
        audit.record("user.suspended", subject=subject(user), actor_id=actor_id)
    user.link_nonce = links.new_nonce()
    end_login_sessions(user)
    db.session.flush()


def restore(user: User, *, actor_id: int | None = None) -> None:
    """Let a suspended *user* in again."""
    if user.suspended_at is not None:
        user.suspended_at = None
        audit.record("user.restored", subject=subject(user), actor_id=actor_id)
        db.session.flush()


def set_role(user: User, role: Role, *, actor_id: int | None = None) -> None:
    """Give *user* another role; their browsers must log in anew.

    Raises:
        LastOwner: There is no other owner.
    """
    if user.role == role:
        return
    if role != Role.OWNER:
        _check_not_last_owner(user)
    audit.record(
        "user.role_changed",
        subject=subject(user),
        actor_id=actor_id,
        before=str(user.role),
        after=str(role),
    )
    user.role = role
    end_login_sessions(user)
    db.session.flush()


def assign_plan(user: User, plan: Plan, *, actor_id: int | None = None) -> None:
    """Give *user* another plan.

    Raises:
        PlanNotFound: It was deleted meanwhile.
    """
    plans.lock()
    plan = plans.find(plan.name)
    before = user.plan.name
    if before == plan.name:
        return
    user.plan_id = None if plan.is_default else plan.id
    db.session.flush()
    db.session.expire(user, ["plan"])
    audit.record(
        "user.plan_changed",
        subject=subject(user),
        actor_id=actor_id,
        before=before,
        after=plan.name,
    )


def count_by_plan() -> Mapping[str, int]:
    """Return how many users have each plan, by its name, if any do."""
    rows = db.session.execute(
        select(Plan.name, func.count().label("people"))
        .select_from(User)
        .join(User.plan)
        .group_by(Plan.name)
    )
    return {row.name: row.people for row in rows}


def subject(user: User) -> str:
    """Return what the audit trail calls *user*."""
    return f"user:{user.id}"


def _check_not_last_owner(user: User) -> None:
    # Two owners who demote each other at the same time must not both succeed.
    exclusive(OWNERS)
    db.session.refresh(user)
    if user.is_owner and not user.is_suspended and _count_owners() == 1:
        raise LastOwner


def _count_owners() -> int:
    owners = select(func.count()).where(
        User.role == Role.OWNER, User.suspended_at.is_(None)
    )
    return db.session.scalar(owners) or 0
