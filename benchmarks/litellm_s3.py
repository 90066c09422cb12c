"""LiteLLM's own logger to S3, as its proxy calls it. Runs in an environment of its own.

Reads a line of JSON with what to do from stdin, prints a line with what it took, and so on. Imports
nothing of ours: LiteLLM brings versions of its own of what we use.
"""

import asyncio
import gc
import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # it asks the internet otherwise

from litellm.integrations.s3_v2 import S3Logger

_HOURS = (
    3600  # nothing is flushed by the clock: the queue is flushed when it is full, and at the end
)


def logger(given: dict[str, Any], *, batch_file: bool) -> S3Logger:
    """Return a logger with LiteLLM's defaults, but for the clock."""
    return S3Logger(
        s3_bucket_name=given["bucket"],
        s3_region_name=given["region"],
        s3_endpoint_url=given["url"],
        s3_aws_access_key_id=given["access_key"],
        s3_aws_secret_access_key=given["secret_key"],
        s3_batch_size=given["batch"],
        s3_max_concurrent_uploads=given["uploads"],
        s3_flush_interval=_HOURS,
        s3_batch_file_upload=batch_file,
    )


async def log(given: dict[str, Any], texts: list[str]) -> dict[str, float]:
    """Log each text as a request that ended well, then flush what is left."""
    one = logger(given, batch_file=given["batch_file"])
    used, began = time.process_time(), time.perf_counter()
    for number, text in enumerate(texts):
        now = datetime.now(UTC)
        payload = {
            "id": f"chatcmpl-{given['round']}-{number}",
            "call_type": "acompletion",
            "model": "gpt-x",
            "messages": [{"role": "user", "content": text}],
            "metadata": {},
        }
        await one.async_log_success_event({"standard_logging_object": payload}, None, now, now)
    queued = time.perf_counter() - began
    while one.log_queue:
        await one.flush_queue()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {"seconds": seconds, "cpu": cpu, "queued": queued}


async def main() -> None:
    """Answer until stdin ends. The first line has the texts."""
    texts = json.loads(sys.stdin.readline())
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        given = json.loads(line)
        print(json.dumps(await log(given, texts[: given["count"]])), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
