"""No object shows a secret that it was made with, and no exception does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webhook_server import Answer, Server

import nethical
from nethical.integrations.ml_platforms import MLflowIntegration, MLPlatformManager, SageMakerIntegration, WandBIntegration
from nethical.integrations.webhook import (
    DiscordWebhookDispatcher,
    GenericAPIIntegration,
    HTTPWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookManager,
    WebhookPayload,
)

MARK = "pL4nt3d"
NOWHERE = "http://127.0.0.1:9"

MAKERS: dict[str, Callable[[Path], Any]] = {
    "http": lambda _: HTTPWebhookDispatcher(
        f"http://user:{MARK}@127.0.0.1:9/{MARK}?key={MARK}",
        headers={"X-API-Key": MARK},
        secret="whsec_pL4nt3dpL4nt3dpL4nt3dpL4nt3dpL4nt3dpL4nt",
        max_retries=1,
    ),
    "slack": lambda _: SlackWebhookDispatcher(f"{NOWHERE}/services/T0/B0/{MARK}", max_retries=1),
    "discord": lambda _: DiscordWebhookDispatcher(f"{NOWHERE}/api/webhooks/1/{MARK}", max_retries=1),
    "api": lambda _: GenericAPIIntegration(f"{NOWHERE}/{MARK}", api_key=MARK),
    # What nobody takes waits in memory only, so other tests do not find it.
    "mlflow": lambda _: MLflowIntegration(f"http://user:{MARK}@127.0.0.1:9", password=MARK, username="me", spool=False),
    "mlflow with a token": lambda _: MLflowIntegration(NOWHERE, token=MARK, spool=False),
    "wandb": lambda folder: WandBIntegration(
        "p", "e", api_key=MARK + "0" * 40, base_url=NOWHERE, mode="online", directory=folder
    ),
    "sagemaker": lambda _: SageMakerIntegration("us-east-1", endpoint_url=f"{NOWHERE}/{MARK}", spool=False),
}


def held_by(made: Any) -> Any:
    """The manager that has it, where there is one."""
    if isinstance(made, (HTTPWebhookDispatcher, SlackWebhookDispatcher, DiscordWebhookDispatcher)):
        manager = WebhookManager()
        manager.add_webhook("it", made)
        return manager
    if isinstance(made, (MLflowIntegration, WandBIntegration, SageMakerIntegration)):
        platforms = MLPlatformManager()
        platforms.add_platform("it", made)
        return platforms
    return None


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_shown(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = MAKERS[kind](tmp_path)
    shown = [repr(made), str(made), repr(held_by(made))]
    try:
        if hasattr(made, "dispatch"):
            shown.append(repr(made.dispatch(WebhookPayload("happened", {"a": 1}))))
        elif hasattr(made, "authenticate"):
            made.authenticate()
        else:
            run = made.start_run("e", "r")
            made.log_parameters(run, {"api_key": MARK, "lr": 0.1})
            shown.append(repr(made.get_run(run)))
    except (nethical.NethicalError, OSError) as error:
        shown += [str(error), repr(error), repr(vars(error))]
    if hasattr(made, "close"):
        with contextlib.suppress(nethical.NethicalError):
            made.close()
    shown += capfd.readouterr()
    assert [text for text in shown if MARK in text] == []


def test_an_answer_that_repeats_the_address_is_shown_without_it() -> None:
    path = f"/services/T0/B0/{MARK}"
    server = Server()
    server.usual = Answer(404, f"Cannot POST {path}".encode())
    with SlackWebhookDispatcher(server.url + path, max_retries=1) as slack:
        delivery = slack.dispatch(WebhookPayload("happened", {"a": 1}))
    server.close()
    assert delivery.response_code == 404
    assert MARK not in repr(delivery)


def test_an_endpoint_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(nethical.ConfigError, match="without a user and a password") as refused:
        SageMakerIntegration("us-east-1", endpoint_url=f"http://user:{MARK}@127.0.0.1:9")
    assert MARK not in repr(refused.value) + str(refused.value)
