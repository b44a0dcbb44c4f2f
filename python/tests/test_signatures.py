"""Signed webhooks, against the reference libraries of Standard Webhooks for Python and JavaScript."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import standardwebhooks

from nethical.integrations.webhook import (
    HTTPWebhookDispatcher,
    WebhookPayload,
    WebhookSignatureError,
    sign_webhook,
    verify_webhook,
)

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDOfXHNgu7Zrs="]
BODIES = ['{"event_type":"t","data":{"text":"größer · 🚀"}}', "", "a.b\r\nc", '{"n":1}']

REPOSITORY = Path(__file__).resolve().parents[2]
# `cargo xtask test` puts it there.
MODULES = Path(os.environ.get("NETHICAL_NODE_MODULES", REPOSITORY / "target" / "npm" / "node_modules"))
PROGRAM = """
const { Webhook } = require("standardwebhooks");
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const told = asked.map(({ what, secret, id, timestamp, body, headers }) => {
  const webhook = new Webhook(secret);
  if (what === "sign") return webhook.sign(id, new Date(timestamp * 1000), body);
  try { webhook.verify(body, headers); return "good"; }
  catch (error) { return error instanceof SyntaxError ? "good" : error.message; }
});
console.log(JSON.stringify(told));
"""


def javascript(asked):
    """What the npm package says to each."""
    done = subprocess.run(
        ["node", "-e", PROGRAM],
        input=json.dumps(asked), env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def node():
    assert shutil.which("node"), "node is missing: install nodejs and npm"
    assert (MODULES / "standardwebhooks").is_dir(), "run `cargo xtask test --only python`, which installs it"


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("secret", SECRETS)
def test_what_we_sign_the_python_library_verifies_and_the_other_way_round(secret, body):
    reference = standardwebhooks.Webhook(secret)
    headers = sign_webhook(body, secret)
    if body.startswith("{"):  # It reads the body as JSON when it has verified it.
        reference.verify(body, headers)
    at = int(headers["webhook-timestamp"])
    from datetime import datetime, timezone

    theirs = reference.sign(headers["webhook-id"], datetime.fromtimestamp(at, timezone.utc), body)
    assert theirs == headers["webhook-signature"]
    verify_webhook(body, {**headers, "webhook-signature": theirs}, secret)


def test_what_we_sign_the_javascript_library_verifies_and_the_other_way_round(node):
    cases = [(secret, body, sign_webhook(body, secret)) for secret in SECRETS for body in BODIES]
    checks = [{"what": "verify", "secret": s, "body": b, "headers": h} for s, b, h in cases]
    assert javascript(checks) == ["good"] * len(cases)
    tampered = [{**check, "body": check["body"] + " "} for check in checks]
    assert "good" not in javascript(tampered)
    now = int(time.time())
    signed = javascript([
        {"what": "sign", "secret": s, "id": f"msg_{n}", "timestamp": now, "body": b} for n, (s, b, _) in enumerate(cases)
    ])  # fmt: skip
    for number, ((secret, body, _), signature) in enumerate(zip(cases, signed)):
        headers = {"webhook-id": f"msg_{number}", "webhook-timestamp": str(now), "webhook-signature": signature}
        verify_webhook(body, headers, secret)


def test_what_arrives_is_verified_by_both_libraries_while_secrets_change(hooks, node):
    with HTTPWebhookDispatcher(hooks.url, secret=SECRETS, sha256_header="X-Hub-Signature-256") as dispatcher:
        assert dispatcher.dispatch(WebhookPayload("größer", {"text": "🚀"})).ok
    (request,) = hooks.requests
    for secret in SECRETS:
        standardwebhooks.Webhook(secret).verify(request.body, request.headers)
        verify_webhook(request.body, request.headers, secret)
    body = request.body.decode()
    asked = [{"what": "verify", "secret": s, "body": body, "headers": request.headers} for s in SECRETS]
    assert javascript(asked) == ["good", "good"]
    assert request.headers["x-hub-signature-256"].startswith("sha256=")


def test_wrong_signatures_are_refused():
    secret, body = SECRETS[0], b'{"n":1}'
    headers = sign_webhook(body, secret, timestamp=1_700_000_000)
    good = {"now": 1_700_000_300}
    verify_webhook(body, {name.upper(): value for name, value in headers.items()}, secret, **good)
    verify_webhook(body, headers, [SECRETS[1], secret], **good)
    wrong = [
        (b'{"n":2}', headers, secret, good),
        (body, headers, SECRETS[1], good),
        (body, headers, secret, {"now": 1_700_000_301}),
        (body, headers, secret, {"now": 1_699_999_699}),
        (body, {**headers, "webhook-signature": "v1"}, secret, good),
        (body, {**headers, "webhook-signature": "v1,a,b v2,x"}, secret, good),
        (body, {**headers, "webhook-timestamp": "soon"}, secret, good),
        (body, {"webhook-id": "x"}, secret, good),
    ]
    for body_, headers_, secret_, options in wrong:
        with pytest.raises(WebhookSignatureError):
            verify_webhook(body_, headers_, secret_, **options)
    with pytest.raises(ValueError, match="whsec_"):
        sign_webhook(body, "whsec_short")
