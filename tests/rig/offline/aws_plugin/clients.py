"""Speaks to AWS with the provider's credentials, through botocore.

botocore takes a tenth of a second to load and a client as long to make, so both happen when something is first asked of
AWS.

How often a request is repeated, and after which pauses, is that of the AWS SDK for Go as the real provider sets it up
(https://github.com/aws/aws-sdk-go-v2/tree/main/aws/retry, https://github.com/hashicorp/aws-sdk-go-base).
"""

from __future__ import annotations

import os
import random
import threading
import time
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from .failures import AwsError, CannotAssumeRole

if TYPE_CHECKING:
    from collections.abc import Callable

    from .configuration import AssumedRole, Configuration

PROPAGATION_SECONDS = 120.0
"""How long the real provider waits for IAM and ECR to show what was just written."""
PAUSES = "RIG_AWS_PAUSES"
"""The variable whose value multiplies the pauses between the attempts of a request, for tests that cannot wait."""
ATTEMPTS = 25
"""Attempts of a request, unless the provider's `maxRetries` gives another number: more than an hour in an outage."""
CREDENTIAL_ATTEMPTS = 3
"""Attempts while credentials are checked or a role is assumed, which `maxRetries` does not change."""
_UNREACHABLE_ATTEMPTS = 9
"""Attempts where nothing listens at all."""
_LONGEST_PAUSE_SECONDS = 300.0
_PROPAGATION_PAUSES = (0.1, 5.0)
"""The first and the longest."""
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60
_PASSING_STATUSES = (500, 502, 503, 504)
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_PASSING_CODES = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip


def pause_after(attempt: int, chance: float) -> float:
    """Seconds between an attempt that failed and the next one.

    Args:
        attempt: its number, from 1.
        chance: a random number from 0 to 1.
    """
    doubled = 2.0**attempt
    return _LONGEST_PAUSE_SECONDS if doubled > _LONGEST_PAUSE_SECONDS else chance * doubled


class Aws:
    """AWS as one provider instance sees it. Any number of threads may use it.

    Args:
        configuration: the provider's.
        abandoned: set when nobody waits for an answer any more; waiting ends then.
    """

    def __init__(self, configuration: Configuration, abandoned: threading.Event | None = None) -> None:
        self.configuration = configuration
        self._attempts = configuration.attempts or ATTEMPTS
        self._pace = float(os.environ.get(PAUSES) or 1)
        self._abandoned = abandoned or threading.Event()
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}

    def validate(self) -> None:
        """Check the credentials, as the real provider does in CheckConfig.

        Raises:
            CannotAssumeRole: a role was refused.
            AwsError: AWS does not know the credentials, or did not answer.
        """
        self._open(CREDENTIAL_ATTEMPTS)
        self._ask_who(CREDENTIAL_ATTEMPTS)

    def open(self) -> str:
        """Take on the roles and ask whose account that is, as the real provider does in Configure.

        Returns:
            The number of the account, "" if the configuration says not to ask.

        Raises:
            CannotAssumeRole: a role was refused.
            AwsError: AWS refused something else, or did not answer.
        """
        settings = self.configuration
        # Only credentials that the program gives are used with the provider's own number of attempts by now.
        self._open(self._attempts if settings.access_key else CREDENTIAL_ATTEMPTS)
        if not settings.skip_credentials_validation:
            return self._ask_who(self._attempts)
        if settings.skip_requesting_account_id:
            return ""
        try:
            return self.call("iam", "GetUser")["User"]["Arn"].split(":")[4]
        except AwsError:
            return self._ask_who(self._attempts)

    def _open(self, attempts: int) -> None:
        with self._lock:
            self._session = self._new_session(attempts)
            if self.configuration.assume_roles:
                # What proved that the role can be assumed is not kept, so it is assumed a second time.
                credentials = self._session.get_credentials()
                self._persistently("sts", "AssumeRole", attempts, lambda _: credentials.get_frozen_credentials())

    def _ask_who(self, attempts: int) -> str:
        answer = self._persistently(
            "sts",
            "GetCallerIdentity",
            attempts,
            lambda client: client.get_caller_identity(),
            lambda: self._client("sts", self.configuration.region),
        )
        return answer["Account"]

    def call(self, service: str, operation: str, *, region: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Make a request. Parameters that are None are left out.

        Raises:
            AwsError: AWS refused it or did not answer.
        """

        def send(client: Any, name: str, sent: dict[str, Any]) -> dict[str, Any]:
            return getattr(client, name)(**sent)

        return self._ask(service, operation, region, parameters, send)

    def everything(
        self, service: str, operation: str, key: str, *, region: str | None = None, **parameters: Any
    ) -> list[Any]:
        """Make a request that answers in pages, and return all items under `key`.

        Raises:
            AwsError: AWS refused it or did not answer.
        """

        def collect(client: Any, name: str, sent: dict[str, Any]) -> list[Any]:
            return client.get_paginator(name).paginate(**sent).build_full_result().get(key, [])

        return self._ask(service, operation, region, parameters, collect)

    def patiently(self, attempt: Callable[[], bool]) -> bool:
        """Try until it succeeds: what was written a moment ago may not show yet.

        Returns:
            Whether it did in time.
        """
        pause, longest = _PROPAGATION_PAUSES
        deadline = time.monotonic() + PROPAGATION_SECONDS
        while not attempt():
            if time.monotonic() + pause > deadline or self._abandoned.wait(pause):
                return False
            pause = min(2 * pause, longest)
        return True

    def retrying(self, request: Callable[[], object], refused: Callable[[AwsError], bool]) -> None:
        """Make a request until it is no longer refused in a way that passes.

        Args:
            request: makes the request.
            refused: whether an error is of that kind.

        Raises:
            AwsError: it is refused otherwise, or still.
        """
        last: AwsError | None = None

        def attempt() -> bool:
            nonlocal last
            try:
                request()
            except AwsError as error:
                if not refused(error):
                    raise
                last = error
                return False
            return True

        if not self.patiently(attempt) and last is not None:
            raise last

    def _ask(
        self,
        service: str,
        operation: str,
        region: str | None,
        parameters: dict[str, Any],
        send: Callable[[Any, str, dict[str, Any]], Any],
    ) -> Any:
        from botocore import xform_name

        sent = {name: value for name, value in parameters.items() if value is not None}
        return self._persistently(
            service,
            operation,
            self._attempts,
            lambda client: send(client, xform_name(operation), sent),
            lambda: self._client(service, region or self.configuration.region),
        )

    def _persistently(
        self,
        service: str,
        operation: str,
        attempts: int,
        request: Callable[[Any], Any],
        get_client: Callable[[], Any] = lambda: None,
    ) -> Any:
        """Make a request, again and again while what it meets may pass."""
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        client: Any = None
        for attempt in count(1):
            try:
                client = get_client()
                return request(client)
            except ParamValidationError as error:
                raise AwsError(f"operation error {service.upper()}: {operation}, {error}") from None
            except (ClientError, BotoCoreError) as error:
                last = self._last_attempt(error, attempts)
                ending = f"exceeded maximum number of attempts, {attempt}, " if last else ""
                if last is None or attempt >= last:
                    raise self._failure(service, operation, error, client, ending) from None
            if self._abandoned.wait(self._pace * pause_after(attempt, random.random())):
                raise AwsError(f"{_head(service, operation)}, request canceled, context canceled")
        raise AssertionError

    def _last_attempt(self, error: Exception, attempts: int) -> int | None:
        """The number of the last attempt of a request that met this; None if it does not pass."""
        from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

        if isinstance(error, ClientError):
            answer: Any = error.response
            status, code = answer["ResponseMetadata"].get("HTTPStatusCode"), answer.get("Error", {}).get("Code")
            return attempts if status in _PASSING_STATUSES or code in _PASSING_CODES else None
        if isinstance(error, EndpointConnectionError):
            return min(attempts, _UNREACHABLE_ATTEMPTS)
        return attempts if isinstance(error, HTTPClientError) else None

    def _failure(self, service: str, operation: str, error: Any, client: Any, ending: str) -> AwsError:
        from botocore.exceptions import ClientError

        if isinstance(error, ClientError):
            return _refusal(service, operation, error, client, ending)
        reason = self._without_secrets(str(error))
        return AwsError(
            f"{_head(service, operation)}, {ending}https response error StatusCode: 0, RequestID: , request send "
            f"failed, {reason}"
        )

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            client = self._clients.get((service, region))
            if client is None:
                if self._session is None:
                    self._session = self._new_session(CREDENTIAL_ATTEMPTS)
                where = self.configuration.sts_region or region if service == "sts" else region
                client = self._clients[service, region] = self._make_client(self._session, service, where)
            return client

    def _make_client(self, session: Any, service: str, region: str) -> Any:
        from botocore.config import Config

        settings = self.configuration
        options: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _ANSWER_SECONDS,
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 32,
        }
        if settings.proxies:
            options["proxies"] = dict(settings.proxies)
        if settings.use_fips_endpoint is not None:
            options["use_fips_endpoint"] = settings.use_fips_endpoint
        if settings.use_dualstack_endpoint is not None:
            options["use_dualstack_endpoint"] = settings.use_dualstack_endpoint
        return session.create_client(
            service,
            region_name=region or None,
            endpoint_url=settings.endpoints.get(service),
            verify=False if settings.insecure else settings.custom_ca_bundle,
            config=Config(**options),
        )

    def _new_session(self, attempts: int) -> Any:
        import botocore.session

        settings = self.configuration
        session: Any = botocore.session.Session(profile=settings.profile or None)
        session.register_component("data_loader", _loader())
        if settings.shared_config_file:
            session.set_config_variable("config_file", settings.shared_config_file)
        if settings.shared_credentials_file:
            session.set_config_variable("credentials_file", settings.shared_credentials_file)
        if settings.access_key:
            session.set_credentials(settings.access_key, settings.secret_key, settings.token or None)
        elif settings.skip_metadata_api_check:
            session.get_component("credential_provider").remove("iam-role")
        for role in settings.assume_roles:
            session = self._assume(session, role, attempts)
        return session

    def _assume(self, source: Any, role: AssumedRole, attempts: int) -> Any:
        import botocore.session
        from botocore.credentials import DeferredRefreshableCredentials

        sts = self._make_client(source, "sts", self.configuration.sts_region or self.configuration.region)

        def fetch() -> dict[str, str]:
            credentials = sts.assume_role(**role.request())["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }

        try:
            self._persistently("sts", "AssumeRole", attempts, lambda _: fetch(), lambda: sts)
        except AwsError as error:
            raise CannotAssumeRole(role.arn, error) from None
        session: Any = botocore.session.Session()
        session.register_component("data_loader", _loader())
        session._credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetch)
        return session

    def _without_secrets(self, text: str) -> str:
        for secret in self.configuration.secrets():
            text = text.replace(secret, "[secret]")
        return text


@cache
def _loader() -> Any:
    """What reads the descriptions of APIs: shared, since CheckConfig and Configure make a session each."""
    from botocore.loaders import create_loader

    return create_loader()


def _refusal(service: str, operation: str, error: Any, client: Any, ending: str) -> AwsError:
    answer = error.response
    code, message = answer.get("Error", {}).get("Code", ""), answer.get("Error", {}).get("Message", "")
    about = answer.get("ResponseMetadata", {})
    # AWS may have refused a request in front of this one, such as AssumeRole.
    asked = error.operation_name or operation
    known = client is not None and asked == operation and _is_modelled(client, operation, code)
    what = f"{code}: {message}" if known else f"api error {code}: {message}"
    head = _head("sts" if asked != operation else service, asked)
    status, request_id = about.get("HTTPStatusCode", 0), about.get("RequestId", "")
    text = f"{head}, {ending}https response error StatusCode: {status}, RequestID: {request_id}, {what}"
    return AwsError(text, code)


def _head(service: str, operation: str) -> str:
    return f"operation error {service.upper()}: {operation}"


def _is_modelled(client: Any, operation: str, code: str) -> bool:
    """Whether the API description lists the error for the operation; the Go SDK prints those without "api error"."""
    shapes = client.meta.service_model.operation_model(operation).error_shapes
    return any(code in (shape.name, shape.metadata.get("error", {}).get("code")) for shape in shapes)
