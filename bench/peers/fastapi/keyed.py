"""The same with a key out of a dictionary and one limit, counted in Redis."""

import os

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from session import Model
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

USERS = {os.environ["BENCH_KEY"]: "ada"}


def secret_of(request: Request) -> str:
    """Return the key that was sent."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


limiter = Limiter(secret_of, storage_uri=os.environ["BENCH_REDIS_URL"])
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
model = Model()


@app.post("/predict")
@limiter.limit("1000000000/minute")
async def predict(request: Request) -> Response:
    """Answer one prediction to a known key."""
    if secret_of(request) not in USERS:
        raise HTTPException(401)
    document = orjson.loads(await request.body())
    answer = orjson.dumps(model.predict(document["inputs"]))
    return Response(answer, media_type="application/json")
