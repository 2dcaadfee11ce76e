"""What the audit trail's actions mean: English phrases that the templates translate."""

# By thing, then by action; the test of the page of the trail finds what is missing.
ACTIONS = {
    "key.deleted": "Deleted a key",
    "key.issued": "Issued a key",
    "key.leaked": "Reported a key seen in public",
    "key.renamed": "Renamed a key",
    "key.restricted": "Changed what a key is restricted to",
    "key.revoked": "Revoked a key",
    "key.rotated": "Rotated a key",
    "key.secret_ended": "Ended the secret before the last rotation of a key",
    "login.all_ended": "Logged every browser out",
    "login.ended": "Logged out",
    "login.failed": "Failed to log in",
    "login.succeeded": "Logged in",
    "mail.read": "Read a message with its link",
    "mail.retried": "Sent a message again",
    "model.promoted": "Made a version live",
    "model.published": "Published a model",
    "model.restored": "Brought a model back",
    "model.rolled_back": "Rolled a model back",
    "model.visibility_changed": "Changed who finds a model",
    "model.withdrawn": "Withdrew a model",
    "owner.set_up": "Became the first owner",
    "password.changed": "Changed a password",
    "password.link_mailed": "Mailed a link that sets a password",
    "plan.changed": "Changed a plan",
    "plan.created": "Made a plan",
    "plan.deleted": "Deleted a plan",
    "user.created": "Made a user",
    "user.plan_changed": "Gave a user another plan",
    "user.restored": "Let a user in again",
    "user.role_changed": "Changed a role",
    "user.signed_up": "Signed up",
    "user.suspended": "Suspended a user",
    "user.verification_mailed": "Mailed a link that verifies an address",
    "user.verified": "Verified an address",
}
KINDS = {
    "key.": "Keys: everything",
    "login.": "Logins: everything",
    "mail.": "Mail: everything",
    "model.": "Models: everything",
    "owner.": "First owner: everything",
    "password.": "Passwords: everything",
    "plan.": "Plans: everything",
    "user.": "Users: everything",
}
# What a list of the actions offers, each kind before its actions.
CHOICES = {
    choice: words
    for kind, kind_words in KINDS.items()
    for choice, words in {
        kind: kind_words,
        **{name: text for name, text in ACTIONS.items() if name.startswith(kind)},
    }.items()
}


def meant_by(choice: str) -> tuple[str, ...]:
    """Return the actions that *choice*, one of CHOICES, stands for."""
    if choice in ACTIONS:
        return (choice,)
    return tuple(name for name in ACTIONS if choice and name.startswith(choice))
