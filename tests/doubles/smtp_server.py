"""A mail server on a free loopback port: enough of SMTP (RFC 5321) with AUTH PLAIN; keeps what it was sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class SmtpServer:
    """`answers` are given to RCPT, one each, before everything is taken. `login` is USER\\0PASSWORD, "" for none."""

    port: int = 0
    login: str = ""
    answers: list[str] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 here")
        is_known = not self.login
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            if word.upper() == "EHLO":
                say("250-here\r\n250 AUTH PLAIN")
            elif word.upper() == "AUTH":
                is_known = base64.b64decode(rest.split()[-1]).decode() == f"\0{self.login}"
                say("235 welcome" if is_known else "535 no")
            elif word.upper() == "QUIT":
                say("221 bye")
                break
            elif not is_known:
                say("530 who are you")
            elif word.upper() == "RCPT":
                answer = self.answers.pop(0) if self.answers else "250 ok"
                if answer.startswith("250"):
                    self.recipients.append(rest)
                say(answer)
            elif word.upper() == "DATA":
                say("354 go on")
                content = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                self.messages.append(message_from_bytes(content, policy=policy.default))
                say("250 taken")
            else:
                say("250 ok")
        writer.close()


@asynccontextmanager
async def smtp_server(login: str = "") -> AsyncIterator[SmtpServer]:
    """A server that listens for as long as the context lasts."""
    made = SmtpServer(login=login)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made
