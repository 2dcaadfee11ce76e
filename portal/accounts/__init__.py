"""Users: signup, login, verification, roles and login sessions."""

from portal.accounts.addresses import canonical_email
from portal.accounts.first_owner import check_setup, set_up, setup_link
from portal.accounts.logging_in import (
    change_password,
    log_in,
    prove_signup_password,
)
from portal.accounts.login_sessions import (
    cookie_lasts_s,
    count_login_sessions,
    end_login_session,
    end_login_sessions,
    is_seen_anew,
    load_login_session,
    mark_seen,
    renew_login_session,
    start_login_session,
)
from portal.accounts.owner_care import (
    end_logins,
    help_with_password,
    help_with_verification,
)
from portal.accounts.password_reset import (
    check_set_password,
    mail_reset_link,
    set_password,
    set_password_link,
)
from portal.accounts.passwords import check_password_strength
from portal.accounts.searching import UserSearch, UserStatus, emails_of, search
from portal.accounts.signup import (
    check_signup_is_open,
    check_verification,
    is_signup_browser,
    resend_verification,
    sign_up,
    verify,
)
from portal.accounts.tables import LoginSession, Role, User
from portal.accounts.users import (
    assign_plan,
    count_by_plan,
    create,
    find,
    find_by_email,
    list_users,
    owner_exists,
    restore,
    set_role,
    suspend,
)

__all__ = [
    "LoginSession",
    "Role",
    "User",
    "UserSearch",
    "UserStatus",
    "assign_plan",
    "canonical_email",
    "change_password",
    "check_password_strength",
    "check_set_password",
    "check_setup",
    "check_signup_is_open",
    "check_verification",
    "cookie_lasts_s",
    "count_by_plan",
    "count_login_sessions",
    "create",
    "emails_of",
    "end_login_session",
    "end_login_sessions",
    "end_logins",
    "find",
    "find_by_email",
    "help_with_password",
    "help_with_verification",
    "is_seen_anew",
    "is_signup_browser",
    "list_users",
    "load_login_session",
    "log_in",
    "mail_reset_link",
    "mark_seen",
    "owner_exists",
    "prove_signup_password",
    "renew_login_session",
    "resend_verification",
    "restore",
    "search",
    "set_password",
    "set_password_link",
    "set_role",
    "set_up",
    "setup_link",
    "sign_up",
    "start_login_session",
    "suspend",
    "verify",
]
