"""What can be wrong with a signup, a login, a link or a change of a user."""

from portal.errors import Conflict, Forbidden, Invalid, LimitExceeded, NotFound

SECONDS_A_MINUTE = 60


class AddressUnusable(Invalid):
    """Not one plain e-mail address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pointer="/email")


class PasswordUnusable(Invalid):
    """Too short, too long or too easy to guess."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message, pointer="/password", **values)


class LoginRefused(Invalid):
    """The same for every cause, so that nobody learns who has an account."""

    def __init__(self) -> None:
        super().__init__("That address and password don't match.")


class SignupPasswordWrong(Invalid):
    """A confirmation by somebody who did not choose the password."""

    def __init__(self) -> None:
        super().__init__(
            "That is not the password of the newest signup with this address. "
            "If you did not choose one, sign up yourself: yours will replace it.",
            pointer="/password",
        )


class CurrentPasswordWrong(Invalid):
    """A change of the password that doesn't know the old one."""

    def __init__(self) -> None:
        super().__init__(
            "That is not your current password.", pointer="/current_password"
        )


class TooManyLogins(LimitExceeded):
    """Too many wrong passwords, in the same words for any account."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "That was wrong too often. Please try again in %(minutes)d minutes.",
            retry_after_s=retry_after_s,
            policy="login",
            minutes=-(-retry_after_s // SECONDS_A_MINUTE),
        )


class UserSuspended(Forbidden):
    """Said only to who knows the password."""

    def __init__(self) -> None:
        super().__init__(
            "This account is suspended. Write to the owner of the portal "
            "if you think that is a mistake."
        )


class SignUpClosed(Forbidden):
    """The owner takes no signups."""

    def __init__(self) -> None:
        super().__init__(
            "This portal takes no signups. Ask its owner to make an account for you."
        )


class RoleMissing(Forbidden):
    """A page for people with another role."""

    def __init__(self) -> None:
        super().__init__("This page is for people with another role.")


class LinkRefused(NotFound):
    """A link that is expired, used up, replaced by a newer one or broken."""


class LinkUnreadable(LinkRefused):
    """A link that is broken, or signed for another purpose."""


class SetUpDone(NotFound):
    """The link for the first owner, after there is one."""

    def __init__(self) -> None:
        super().__init__(
            "This portal has an owner already, so the link is used up. "
            "If that is you, just log in."
        )


class UserNotFound(NotFound):
    """No user with this id or address."""

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class AddressTaken(Conflict):
    """There is a user with this address."""

    def __init__(self, email: str) -> None:
        super().__init__("%(email)s has an account already.", email=email)


class LastOwner(Conflict):
    """A portal without an owner could not be run any more."""

    def __init__(self) -> None:
        super().__init__("This is the last owner. Make somebody else an owner first.")


class SuspendingOneself(Conflict):
    """Nearly always a mistake, and one that locks its maker out."""

    def __init__(self) -> None:
        super().__init__("This is you. Only another owner can suspend you.")


class LinkUseless(Conflict):
    """A link for somebody who is shut out."""

    def __init__(self) -> None:
        super().__init__(
            "No link works for somebody who is suspended. Restore them first."
        )


class AddressVerified(Conflict):
    """Nothing is left to verify."""

    def __init__(self) -> None:
        super().__init__("This address is verified already.")


class MailsExhausted(Conflict):
    """As many messages of one kind went to the address as may in a day."""

    def __init__(self, email: str) -> None:
        super().__init__(
            "Nothing was sent: %(email)s got as many of these messages "
            "as one address may get in a day. Try again tomorrow.",
            email=email,
        )
