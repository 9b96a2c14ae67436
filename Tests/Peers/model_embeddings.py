"""Vectors of texts for the model server, in the form of OpenAI's embeddings."""

import base64
import hashlib
import json
import math
import struct

from model_scripts import Refused, estimate


def embeddings(body: dict) -> dict:
    """A vector of length one for each text, made from its hash: the same text, the same vector."""
    for key in body:
        known = key in ("input", "model", "dimensions", "encoding_format", "user")
        require(known, f"Unknown parameter: '{key}'.", key, "unknown_parameter")
    for key in ("model", "input"):
        require(body.get(key), f"Missing required parameter: '{key}'.", key, "missing_required_parameter")
    size, form, given = body.get("dimensions", 1536), body.get("encoding_format", "float"), body["input"]
    require(type(size) is int and 1 <= size <= 3072, "Invalid value for 'dimensions'.", "dimensions")
    require(form in ("float", "base64"), f"Invalid value: '{form}'.", "encoding_format")
    texts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    require(all(texts), "'$.input' is invalid: an input cannot be an empty string.", "input")
    vectors = [_vector(text if isinstance(text, str) else json.dumps(text), size) for text in texts]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector).decode() if form == "base64" else struct.unpack(f"<{size}f", vector),
        }
        for index, vector in enumerate(vectors)
    ]
    tokens = estimate(body)
    return {
        "object": "list", "data": data, "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }  # fmt: skip


def _vector(text: str, size: int) -> bytes:
    """The vector as 32-bit numbers, the lowest byte first."""
    raw = struct.unpack(f"<{size}i", hashlib.shake_256(text.encode()).digest(4 * size))
    length = math.sqrt(sum(one * one for one in raw))
    return struct.pack(f"<{size}f", *(one / length for one in raw))


def require(holds: object, otherwise: str, param: str, code: str | None = None) -> None:
    if not holds:
        raise Refused(otherwise, param=param, code=code)
