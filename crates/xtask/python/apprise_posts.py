"""Messages through Apprise: `python apprise_posts.py HOST:PORT N` prints `{"seconds": ...}`."""

import json
import sys
import time

import apprise


def main(address, count):
    sender = apprise.Apprise()
    sender.add(f"json://{address}/")
    started = time.perf_counter()
    for number in range(count):
        body = json.dumps({"model_id": "model_123", "version": "1.0.0", "accuracy": 0.95, "n": number})
        if not sender.notify(title="model_deployed", body=body):
            raise SystemExit(f"message {number} was not delivered")
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
