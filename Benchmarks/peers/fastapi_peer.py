"""FastAPI with asyncpg: the same two endpoints, with the same SQL under the same row level security.

DATABASE=… SECRET=… ISSUER=… uvicorn fastapi_peer:app
"""

import contextlib
import hashlib
import json
import os
import uuid

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

STATUS = """
select json_build_object(
  'run_id', id, 'status', status, 'reason', reason, 'agent', agent, 'model', model, 'prompt', prompt,
  'plan', coalesce(plan, (
    select x -> 'plan' from agent_messages m cross join lateral jsonb_array_elements(m.content -> 'calls') x
    where m.run_id = r.id and m.attempt = r.attempt and m.role = 'assistant' and x ? 'plan'
    order by m.position desc limit 1)), 'workflow', workflow, 'metadata', metadata, 'project_id', project_id, 'result', result,
  'error', error, 'cost', cost, 'attempt', attempt, 'created_at', created_at, 'started_at', started_at,
  'completed_at', completed_at)::text
from agent_runs r where id = $1
"""
CREATE = "select run_id, status, to_json(created_at) #>> '{}' as created_at, is_new from simplon.create_run($1, $2, $3)"
PRINCIPAL = """
select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
  set_config('statement_timeout', '30000', true)
"""


@contextlib.asynccontextmanager
async def life(app: FastAPI):
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=12, max_size=12)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=life)


def principal(authorization: str = Header()) -> dict:
    """Who asks: the token's claims, verified."""
    try:
        return jwt.decode(
            authorization.removeprefix("Bearer "),
            os.environ["SECRET"],
            algorithms=["HS256"],
            audience="authenticated",
            issuer=os.environ["ISSUER"],
        )
    except jwt.PyJWTError as error:
        raise HTTPException(401, str(error)) from error


async def as_caller(claims: dict, query: str, *values):
    async with app.state.pool.acquire() as connection, connection.transaction():
        await connection.execute(PRINCIPAL, claims["role"], json.dumps(claims))
        return await connection.fetchrow(query, *values)


class Execute(BaseModel):
    action: str
    plan: dict | None = None
    prompt: str | None = None
    metadata: dict | None = None
    start: bool = True


@app.post("/agent/execute", status_code=201)
async def execute(body: Execute, claims: dict = Depends(principal)):
    request = body.model_dump_json(exclude={"action"}, exclude_none=True)
    row = await as_caller(claims, CREATE, request, None, hashlib.sha256(request.encode()).digest())
    return {"run_id": str(row["run_id"]), "status": row["status"], "created_at": row["created_at"]}


@app.get("/agent/status")
async def status(run_id: uuid.UUID, claims: dict = Depends(principal)):
    row = await as_caller(claims, STATUS, run_id)
    if row is None:
        raise HTTPException(404)
    return Response(row[0], media_type="application/json")
