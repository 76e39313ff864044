"""A part that hangs is ended and started anew, from the outside; what it held goes on."""

import signal

import httpx

from tests.system.running import Stack, until


def test_a_stopped_worker_is_restarted_and_its_lane_answers_again(stack: Stack, client: httpx.Client) -> None:
    victim, part = stack.worker("embed-query"), stack.part("embed-query")

    victim.send_signal(signal.SIGSTOP)
    job_id = client.post("/v1/queries", json={"question": "Who is there?"}).json()["job_id"]

    until(lambda: f"{part} ended with signal SIGKILL because it hung" in stack.printed, 60)
    until(lambda: client.get(f"/v1/jobs/{job_id}").json()["state"] == "succeeded", 90)
    assert stack.worker("embed-query").pid != victim.pid
    until(lambda: stack.worker("embed-query").pid in _alive(client), 30)


def _alive(client: httpx.Client) -> set[int]:
    """Process ids of the lane's workers that have said what they do; a new one does so when it is ready."""
    lane = client.get("/health/ready").json()["components"]["embed-query"]
    return {worker["pid"] for worker in lane.get("detail", {}).get("workers", ())}
