"""Notifications as mail."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime

from shared.errors import Invalid, Permanent, Retryable
from shared.monitors.notifications import facts_of, lines_of, title_of
from shared.resources.notification import Notification, SmtpNotifier

TIMEOUT_S = 20.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Smtp:
    """A Notifier. The Message-ID is the notification's id, whatever the attempt: mail servers and programs tell repeats
    by it. It speaks by smtplib in a thread."""

    def __init__(self, declared: SmtpNotifier, secret: Callable[[str], str]) -> None:
        if declared.security == "none" and declared.host not in _LOOPBACK:
            remedy = "let security be starttls or tls"
            raise Invalid(f"notifier {declared.name}: mail goes to {declared.host} unencrypted", remedy=remedy)
        self._declared = declared
        self._secret = secret

    async def send(self, notification: Notification) -> None:
        """See Notifier."""
        message = message_of(notification, self._declared)
        password = self._secret(self._declared.password_secret) if self._declared.password_secret else ""
        try:
            await asyncio.to_thread(self._send, message, password)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise _error(max(codes), "it takes none of the recipients") from None
        except smtplib.SMTPResponseException as error:
            raise _error(error.smtp_code, type(error).__name__) from None
        except smtplib.SMTPNotSupportedError:
            raise Permanent("the mail server does not offer what is asked of it: STARTTLS or AUTH") from None
        except ssl.SSLCertVerificationError as error:
            raise Permanent(f"the mail server's certificate is not accepted: {error.verify_message}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Retryable(f"the mail server cannot be reached: {type(error).__name__}") from None

    def _send(self, message: EmailMessage, password: str) -> None:
        said, context = self._declared, ssl.create_default_context()
        server: smtplib.SMTP
        if said.security == "tls":
            server = smtplib.SMTP_SSL(said.host, said.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(said.host, said.port, timeout=TIMEOUT_S)
        with server:
            if said.security == "starttls":
                server.starttls(context=context)
            if said.username:
                server.login(said.username, password)
            server.send_message(message)


def message_of(notification: Notification, declared: SmtpNotifier) -> EmailMessage:
    """A mail of plain text. Raises Invalid for addresses that are none."""
    message = EmailMessage()
    try:
        message["From"] = declared.sender
        message["To"] = ", ".join(declared.recipients)
    except ValueError as error:
        raise Invalid(f"notifier {declared.name} has an address that is none", remedy="use NAME@DOMAIN") from error
    message["Subject"] = " ".join(title_of(notification).split())
    message["Date"] = format_datetime(notification.at)
    message["Message-ID"] = f"<{notification.id}@slipway>"
    facts = [f"{name}: {value}" for name, value in facts_of(notification)]
    message.set_content("\n".join([title_of(notification), "", *lines_of(notification), "", *facts]))
    return message


def _error(code: int, why: str) -> Permanent | Retryable:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz not."""
    text = f"the mail server answered {code}: {why}"
    return Retryable(text) if 400 <= code < 500 else Permanent(text)
