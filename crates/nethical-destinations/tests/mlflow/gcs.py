"""The emulator of Google Cloud Storage with a bucket: gcs.py PORT BUCKET

Where it takes an object it leaves out the ETag, which the real one always has and clients rely on, so it is added.
"""

import sys

from gcp_storage_emulator import server


class Handler(server.RequestHandler):
    def end_headers(self) -> None:
        if self.command == "PUT":
            self.send_header("ETag", '"CJDQ2sqn5I8DEAE="')
        super().end_headers()


server.RequestHandler = Handler
server.create_server("127.0.0.1", int(sys.argv[1]), in_memory=True, default_bucket=sys.argv[2]).run()
