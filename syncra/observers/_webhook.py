"""Telling of runs by a request to a server."""

from __future__ import annotations

import hmac
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from socket import gaierror

from .._core.policy import seconds
from .._names import message_of
from ..errors import DeliveryFailed
from ._connection import NotPublicError, OverLimitError, checked_context
from ._delivery import Alert, Delivery, pause
from ._http import checked_headers, post, target_of
from ._summary import Words, checked_secrets, checked_when, has_failed, summary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .._run import Run
    from ._http import Answer
    from ._summary import Problem, Summary

SIGNATURE = "X-Syncra-Signature"
#: The most seconds that a server can have us wait for the next try.
MOST_PATIENCE = 30.0
MOST_ATTEMPTS = 10
TOO_MANY = 429
#: The fewest characters of a part of a URL that can be secret.
LEAST_SECRET = 6


class Webhook(Alert):
    """Post JSON to a server when a run has failed.

    An observer: give it to a graph or a run. It never holds up a run and never changes
    what becomes of one. Requests are sent by a thread of its own, which the end of the
    program waits for. What cannot be sent is in `errors`, in `run.observer_errors` and
    in the log of "syncra.observers".

    It is sent again after a connection that failed and after the answers 429 and 5xx,
    with the run's id as `Idempotency-Key`; what has been answered with 2xx is
    delivered. Redirects are not followed. Of the URL only scheme, host and port are
    ever shown.

    Parameters:
        url: where to post to. A user and a password in it are sent as a header.
        secret: what the request is signed with; not signed if None. The other side
            checks that with `Webhook.verify`.
        when: "failure" to tell of runs with failed or cancelled tasks, "always" to
            tell of every run.
        headers: to send too.
        timeout: the most seconds of each try, from the name to the end of the answer.
        attempts: how many tries there are, 10 at most.
        backoff: seconds between the first two tries, doubled each time. `Retry-After`
            is heeded, up to 30 seconds.
        public_only: whether to refuse a host that has an address which is not one of
            the public internet, for URLs that users of yours give. The name is
            resolved once a try, and the address that was checked is connected to.
        redact: texts that must not be in it.
        context: what certificates are trusted; those of the system if None.

    Raises:
        ValueError: if one of these cannot be right.
        TypeError: if it is of the wrong type.

    Example:
        >>> from syncra.observers import Webhook
        >>> Webhook("https://hooks.example.org/t0ken", secret="correct horse")
        Webhook('https://hooks.example.org', when='failure', signed=True)
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | bytes | None = None,
        when: str = "failure",
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        attempts: int = 3,
        backoff: float = 0.5,
        public_only: bool = False,
        redact: str | Iterable[str] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._target = target_of(url)
        self._secret = None if secret is None else _key(secret)
        self._when = checked_when(when, "Webhook")
        self._headers = checked_headers(headers)
        if self._target.authorization is not None:
            if "authorization" in map(str.lower, self._headers):
                raise ValueError("Webhook: both url and headers= say who logs in")

            self._headers["Authorization"] = self._target.authorization
        if type(attempts) is not int or not 0 < attempts <= MOST_ATTEMPTS:
            raise ValueError(
                f"Webhook: attempts= is a number from 1 to {MOST_ATTEMPTS}, "
                f"got {attempts!r}"
            )

        self._timeout = seconds(timeout, "Webhook: timeout")
        self._attempts = attempts
        self._backoff = seconds(backoff, "Webhook: backoff", least=0.0)
        if not isinstance(public_only, bool):
            raise TypeError(f"Webhook: public_only= is True or False: {public_only!r}")

        self._public_only = public_only
        self._context = checked_context(context, "Webhook")
        key = (self._secret or b"").decode("utf-8", "ignore")
        secrets = (*checked_secrets(redact, "Webhook"), key)
        self._words = Words(secrets)
        #: For what a server says, which may repeat what it was told.
        self._replies = Words((*secrets, *self._told_to_the_server()))
        self._delivery = Delivery(self, self._replies.clean)

    def _told_to_the_server(self) -> Iterable[str]:
        """Return what of URL and headers may be a secret."""
        path = self._target.path
        parts = [path, *re.split(r"[/?&=]", path)]
        values = [word for value in self._headers.values() for word in value.split()]
        long = [part for part in (*parts, *values) if len(part) >= LEAST_SECRET]
        return self._target.password, *long

    def run_finished(self, run: Run) -> None:
        """Tell of a run, if there is something to tell.

        Parameters:
            run: the run.
        """
        if self._when != "always" and not has_failed(run):
            return

        summary = summary_of(run, self._words)
        body = json.dumps(_payload(summary)).encode()
        run_id = summary.run_id
        self._delivery.put(run, "run_finished", lambda: self._send(body, run_id))

    @staticmethod
    def verify(
        secret: str | bytes,
        headers: Mapping[str, str],
        body: bytes,
        tolerance: float | None = 300.0,
    ) -> bool:
        """Return whether a request was signed with a secret, and not long ago.

        For the side that receives it. What is signed is what stands in the header as
        `t=`, a dot and the body as it came, so verify it before you parse it.

        Parameters:
            secret: the secret that the `Webhook` has.
            headers: those of the request, by name in any case.
            body: the body as it came.
            tolerance: the most seconds between the signing and now; any if None.

        Raises:
            ValueError: if the secret is empty: everybody knows that one.
            TypeError: if the body is no bytes.

        Example:
            >>> from syncra.observers import Webhook
            >>> headers = {"X-Syncra-Signature": "t=1767225600,v1=00"}
            >>> Webhook.verify("correct horse", headers, b"{}")
            False
        """
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError("verify the body as it came, in bytes")

        key, found = _key(secret), ""
        for name, value in headers.items():
            if name.lower() == SIGNATURE.lower():
                found = value
        pairs = [part.strip().partition("=") for part in found.split(",")]
        moments = [value for name, _, value in pairs if name == "t"]
        if len(moments) != 1:
            return False

        moment = moments[0]
        if not moment.isascii() or not moment.isdigit() or len(moment) > 15:
            return False

        expected = _signature(key, moment, bytes(body)).encode()
        given = [
            value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"
        ]
        if not any(hmac.compare_digest(expected, value) for value in given):
            return False

        return tolerance is None or abs(time.time() - int(moment)) <= tolerance

    def _send(self, body: bytes, run_id: str) -> None:
        """Send a body, as often as it takes and is allowed."""
        wait = self._backoff
        for attempt in range(1, self._attempts + 1):
            why, again, least = self._try(body, run_id)
            if not why:
                return

            if not again or attempt == self._attempts:
                tries = f" after {attempt} tries" if attempt > 1 else ""
                raise self._failure(f"{why}{tries}")

            pause(min(max(wait, least), MOST_PATIENCE))
            wait *= 2

    def _try(self, body: bytes, run_id: str) -> tuple[str, bool, float]:
        """Send a body once.

        Returns what went wrong or "", whether another try may help, and the seconds
        that the server wants to be left alone.
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "syncra",
            "Idempotency-Key": run_id,
        }
        if self._secret is not None:
            moment = str(int(time.time()))
            signature = _signature(self._secret, moment, body)
            headers[SIGNATURE] = f"t={moment},v1={signature}"
        given = {name.lower() for name in self._headers}
        headers = {name: headers[name] for name in headers if name.lower() not in given}
        headers |= self._headers
        try:
            answer = post(
                self._target,
                headers,
                body,
                self._timeout,
                self._public_only,
                self._context,
            )
        except (OSError, HTTPException, ValueError) as error:
            return self._explained(error)

        return self._judged(answer)

    def _judged(self, answer: Answer) -> tuple[str, bool, float]:
        status = answer.status
        if 200 <= status < 300:
            return "", False, 0.0

        if 300 <= status < 400:
            return (
                f"it answers {status}, and redirects are not followed: give the URL "
                f"that it has now",
                False,
                0.0,
            )

        said = self._replies.line(answer.body.decode("utf-8", "replace"), 200)
        why = f"it answers {status} {self._replies.line(answer.reason, 50)}".strip()
        if said:
            why += f": {said}"
        again = status == TOO_MANY or status >= 500
        return why, again, _seconds_until(answer.retry_after) if again else 0.0

    def _explained(self, error: Exception) -> tuple[str, bool, float]:
        if isinstance(error, (NotPublicError, OverLimitError)):
            return str(error), False, 0.0

        if isinstance(error, ssl.SSLCertVerificationError):
            why = (
                f"its certificate is not to be trusted: {error.verify_message}; an "
                f"authority of your own is trusted with context="
            )
            return why, False, 0.0

        if isinstance(error, ssl.SSLError):
            return f"TLS did not come about ({error.reason})", True, 0.0

        if isinstance(error, gaierror):
            return f"its name is not known ({error.strerror})", True, 0.0

        what = self._replies.line(message_of(error), 200)
        if isinstance(error, OSError):
            return what, True, 0.0

        return f"what it answers is no HTTP ({type(error).__name__})", False, 0.0

    def _failure(self, why: str) -> DeliveryFailed:
        where = self._target.where
        return DeliveryFailed(f"the webhook at {where} was not told: {why}", where)

    def __repr__(self) -> str:
        is_signed = self._secret is not None
        return (
            f"Webhook({self._target.where!r}, when={self._when!r}, signed={is_signed})"
        )


def _key(secret: object) -> bytes:
    """Return a secret in bytes, or raise without showing it."""
    if not isinstance(secret, (str, bytes)):
        raise TypeError(f"a secret is a text or bytes, got a {type(secret).__name__}")

    if not secret:
        raise ValueError("the secret is empty")

    return secret.encode() if isinstance(secret, str) else secret


def _signature(key: bytes, moment: str, body: bytes) -> str:
    return hmac.new(key, f"{moment}.".encode() + body, "sha256").hexdigest()


def _seconds_until(retry_after: str) -> float:
    """Return the seconds that a header `Retry-After` asks for; 0.0 if it is none."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:15])

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def _payload(summary: Summary) -> dict[str, Any]:
    """Return what is posted; `docs/alerts.md` describes it."""
    return {
        "event": "run_finished",
        "outcome": summary.outcome,
        "graph": summary.graph,
        "run_id": summary.run_id,
        "host": summary.host,
        "started_at": summary.started_at.isoformat(),
        "duration": summary.duration,
        "ended_by": summary.ended_by or None,
        "progress": asdict(summary.progress),
        "failed": list(map(_told, summary.failed)),
        "cancelled": list(summary.cancelled),
        "skipped": [
            {"name": one.name, "because": list(one.because), "why": one.why}
            for one in summary.skipped
        ],
        "rolled_back": summary.undone,
        "not_rolled_back": list(map(_told, summary.not_undone)),
    }


def _told(problem: Problem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "error": {"type": problem.type_name, "message": problem.message},
        "place": problem.place,
        "attempts": problem.attempts,
        "duration": problem.duration,
    }
