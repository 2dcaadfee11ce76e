"""LitServe, with a process of its own per core for the model."""

import os
from typing import Any

import litserve
from session import Model


class Api(litserve.LitAPI):
    """The four steps that LitServe asks for."""

    def setup(self, device: str) -> None:
        """Load the model in a worker."""
        del device
        self.model = Model()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take the inputs out of the document."""
        return request["inputs"]

    def predict(self, x: dict[str, Any]) -> dict[str, Any]:
        """Run the model."""
        return self.model.predict(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Answer as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=int(os.environ.get("BENCH_APIS", "2")),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
