"""An API with a key."""

import multiprocessing
import pickle

import pytest
from webhook_server import Answer

import nethical
from nethical.integrations.webhook import APIIntegration, GenericAPIIntegration


@pytest.fixture
def api(hooks):
    return GenericAPIIntegration(base_url=f"{hooks.url}/v1", api_key="your-api-key", auth_header="Authorization")


def test_the_guides_calls(hooks, api):
    hooks.usual = Answer(200, b'{"status": "ok", "items": [1, 2]}')
    assert api.authenticate() is True and api.authenticated
    assert api.send_data({"metric": "model_accuracy", "value": 0.95}) is True
    assert api.receive_data() == {"status": "ok", "items": [1, 2]}
    assert [request.method for request in hooks.requests] == ["GET", "POST", "GET"]
    assert {request.headers["authorization"] for request in hooks.requests} == {"Bearer your-api-key"}
    assert hooks.requests[1].json == {"metric": "model_accuracy", "value": 0.95}


@pytest.mark.parametrize(("status", "taken"), [(200, True), (404, True), (405, True), (401, False), (403, False)])
def test_the_answer_says_whether_the_key_is_taken(hooks, api, status, taken):
    hooks.usual = Answer(status)
    assert api.authenticate() is taken


def test_failures_are_told(hooks, api):
    hooks.usual = Answer(422, b'{"why": "odd"}')
    assert api.send_data({}) is False
    assert (api.last_response.status, api.last_response.json()) == (422, {"why": "odd"})
    with pytest.raises(nethical.NethicalError, match="422"):
        api.receive_data()
    assert GenericAPIIntegration(hooks.url).authenticate() is False, "there is no key"
    hooks.usual = Answer(200, b"no JSON")
    with pytest.raises(nethical.NethicalError):
        api.receive_data()
    hooks.close()
    api = GenericAPIIntegration(hooks.url, "key")
    with pytest.raises(nethical.UnavailableError):
        api.authenticate()
    assert api.send_data({}) is False and api.last_response is None


def test_parameters_lists_and_other_headers(hooks):
    hooks.usual = Answer(200, b"[1, 2]")
    api = GenericAPIIntegration(hooks.url, "secret-key", "X-API-Key", headers={"X-Team": "ml"}, receive_path="items")
    assert api.receive_data(page=2, name="a b") == {"items": [1, 2]}
    (request,) = hooks.requests
    assert request.path.startswith("/items?page=2&name=a") and request.headers["x-team"] == "ml"
    assert request.headers["x-api-key"] == "secret-key" and "secret-key" not in repr(api)
    assert pickle.loads(pickle.dumps(api)).receive_data() == {"items": [1, 2]}
    for wrong in ({"base_url": "nowhere"}, {"base_url": hooks.url, "api_key": "a\nb"}):
        with pytest.raises(nethical.ConfigError):
            GenericAPIIntegration(**wrong)


def _in_child(api, results):
    results.put(api.authenticate())


def test_a_forked_child_has_connections_of_its_own(hooks, api):
    assert api.authenticate()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_in_child, args=(api, results))
    child.start()
    assert results.get(timeout=30) is True
    child.join(30)
    assert api.authenticate() and len(hooks.requests) == 3


def test_one_of_ones_own():
    class Mine(APIIntegration):
        def authenticate(self):
            return True

        def send_data(self, data):
            return bool(data)

        def receive_data(self):
            return {}

    assert Mine().send_data({"n": 1})
    with pytest.raises(TypeError):
        APIIntegration()
