"""As much of a W&B server as a run needs, in this process: lines have their places, and what breaks that is noted."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandBServer:
    """Keeps runs by their ids."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.stopped = False
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
                with server.lock:
                    status, answer = server.answer(self.path, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path != "/graphql":
            return self.stream(path.split("/")[4], body)
        variables = body["variables"]
        operation = body["operationName"]
        if operation == "UpsertBucket":
            return 200, {"data": {"upsertBucket": {"bucket": self.upsert(variables), "inserted": True}}}
        if operation == "RunResumeStatus":
            run = self.runs.get(variables["name"])
            bucket = run and {"historyLineCount": len(run["rows"]), "historyTail": json.dumps(run["rows"][-1:])}
            return 200, {"data": {"model": {"bucket": bucket}}}
        if operation == "Viewer":
            return 200, {"data": {"viewer": {"entity": "my-team", "username": "me", "teams": {"edges": []}}}}
        if operation == "ServerFeaturesQuery":
            return 200, {"data": {"serverInfo": {"features": []}}}
        return 200, {"data": {"project": None}}

    def upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(variables["name"], {"rows": [], "exit": None})
        run.update({key: value for key, value in variables.items() if value is not None})
        project = {"name": variables["project"], "entity": {"name": variables["entity"] or "my-team"}}
        return {
            "id": "x", "name": variables["name"], "historyLineCount": len(run["rows"]), "project": project,
        }

    def stream(self, run_id: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        run = self.runs[run_id]
        history = body.get("files", {}).get("wandb-history.jsonl")
        if history:
            start = history["offset"]
            if start > len(run["rows"]) or run["rows"][start:] != history["content"][: len(run["rows"]) - start]:
                self.faults.append(f"{run_id}: offset {start} with {len(run['rows'])} rows")
            run["rows"][start:] = history["content"]
        summary = body.get("files", {}).get("wandb-summary.json")
        if summary:
            run["summary"] = summary["content"][-1]
        if body.get("complete"):
            run["exit"] = body["exitcode"]
        return 200, {"exitcode": None, "limits": {}, "stopped": self.stopped}

    def rows(self, run_id: str) -> list[dict[str, Any]]:
        """The rows of a run; numbers that JSON does not have as Python has them."""
        return [json.loads(line) for line in self.runs[run_id]["rows"]]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
