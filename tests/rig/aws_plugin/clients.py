"""Speaks to AWS with the provider's credentials, through botocore.

botocore takes a tenth of a second to load and a client as long to make, so both happen when something is first asked of
AWS: a preview that asks nothing pays nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .failures import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .configuration import AssumedRole, Configuration

PROPAGATION_SECONDS = 120.0
"""How long the real provider waits for IAM and ECR to show what was just written."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_ATTEMPTS = 5
"""Attempts of a request, unless the provider's `maxRetries` says otherwise. The real provider makes 25: minutes."""
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60


class Aws:
    """AWS as one provider instance sees it. Any number of threads may use it.

    Args:
        configuration: the provider's.
        stopping: set when the plugin has to end; waiting ends then.
    """

    def __init__(self, configuration: Configuration, stopping: threading.Event | None = None) -> None:
        self.configuration = configuration
        self._stopping = stopping or threading.Event()
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}

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
        deadline, pause = time.monotonic() + PROPAGATION_SECONDS, _FIRST_PAUSE_SECONDS
        while not attempt():
            if time.monotonic() + pause > deadline or self._stopping.wait(pause):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
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
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        sent = {name: value for name, value in parameters.items() if value is not None}
        client: Any = None
        try:
            client = self._client(service, region or self.configuration.region)
            return send(client, xform_name(operation), sent)
        except ClientError as error:
            raise _refusal(service, operation, error, client) from None
        except ParamValidationError as error:
            raise AwsError(f"operation error {service.upper()}: {operation}, {error}") from None
        except BotoCoreError as error:
            raise AwsError(_no_answer(service, operation, self._without_secrets(str(error)))) from None

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            client = self._clients.get((service, region))
            if client is None:
                if self._session is None:
                    self._session = self._new_session()
                where = self.configuration.sts_region or region if service == "sts" else region
                client = self._clients[service, region] = self._make_client(self._session, service, where)
            return client

    def _make_client(self, session: Any, service: str, region: str) -> Any:
        from botocore.config import Config

        settings = self.configuration
        options: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _ANSWER_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": settings.attempts or _ATTEMPTS},
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

    def _new_session(self) -> Any:
        import botocore.session

        settings = self.configuration
        session: Any = botocore.session.Session(profile=settings.profile or None)
        if settings.shared_config_file:
            session.set_config_variable("config_file", settings.shared_config_file)
        if settings.shared_credentials_file:
            session.set_config_variable("credentials_file", settings.shared_credentials_file)
        if settings.access_key:
            session.set_credentials(settings.access_key, settings.secret_key, settings.token or None)
        elif settings.skip_metadata_api_check:
            session.get_component("credential_provider").remove("iam-role")
        for role in settings.assume_roles:
            session = self._assume(session, role)
        return session

    def _assume(self, source: Any, role: AssumedRole) -> Any:
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

        session: Any = botocore.session.Session()
        session._credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetch)
        return session

    def _without_secrets(self, text: str) -> str:
        for secret in self.configuration.secrets():
            text = text.replace(secret, "[secret]")
        return text


def _refusal(service: str, operation: str, error: Any, client: Any) -> AwsError:
    answer = error.response
    code, message = answer.get("Error", {}).get("Code", ""), answer.get("Error", {}).get("Message", "")
    about = answer.get("ResponseMetadata", {})
    # What was refused may have been a request in front of this one, such as AssumeRole.
    asked = error.operation_name or operation
    known = client is not None and asked == operation and _is_modelled(client, operation, code)
    what = f"{code}: {message}" if known else f"api error {code}: {message}"
    head = f"operation error {_service_name(service, asked, operation)}: {asked}"
    status, request_id = about.get("HTTPStatusCode", 0), about.get("RequestId", "")
    return AwsError(f"{head}, https response error StatusCode: {status}, RequestID: {request_id}, {what}", code)


def _is_modelled(client: Any, operation: str, code: str) -> bool:
    """Whether the API description lists the error for the operation; the Go SDK prints those without "api error"."""
    shapes = client.meta.service_model.operation_model(operation).error_shapes
    return any(code in (shape.name, shape.metadata.get("error", {}).get("code")) for shape in shapes)


def _no_answer(service: str, operation: str, reason: str) -> str:
    head = f"operation error {_service_name(service, operation, operation)}: {operation}"
    return f"{head}, https response error StatusCode: 0, RequestID: , request send failed, {reason}"


def _service_name(service: str, asked: str, operation: str) -> str:
    return "STS" if asked != operation else service.upper()
