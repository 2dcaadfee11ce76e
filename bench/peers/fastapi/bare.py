"""FastAPI as fast as it goes: no model of the body, no thread, orjson."""

import orjson
from fastapi import FastAPI, Request, Response
from session import Model

app = FastAPI()
model = Model()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer one prediction."""
    document = orjson.loads(await request.body())
    answer = orjson.dumps(model.predict(document["inputs"]))
    return Response(answer, media_type="application/json")
