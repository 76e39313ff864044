"""What waits, what runs, and what is tried again."""

from panels import Board, Panel, Row
from queries import WINDOW, quantile, shared_rate

from boards.shared import OLDEST_WAIT, OPEN_SHARE

LANES = Board(
    "lanes",
    "lanes",
    "What waits, what runs, how long, and what is tried again",
    (
        Row(
            "Queues",
            (
                Panel(
                    "Waiting jobs",
                    "short",
                    (("max by (lane) (aegis_lane_waiting_jobs{$scope})", "{{lane}}"),),
                    "That a worker could begin now",
                    alerts=("AegisQueueStuck",),
                ),
                Panel(
                    "Running jobs",
                    "short",
                    (("max by (lane) (aegis_lane_running_jobs{$scope})", "{{lane}}"),),
                ),
                OLDEST_WAIT,
                Panel(
                    "Workers",
                    "short",
                    (
                        ("max by (lane) (aegis_workers_alive{$scope})", "{{lane}}"),
                        (
                            'count(up{$scope,job=~"(.*/)?aegis-workers"} == 1)',
                            "processes that answer Prometheus",
                        ),
                    ),
                    "That take tasks",
                    alerts=("AegisLaneWithoutWorker", "AegisWorkerDeaf", "AegisBackupLaneEmpty"),
                ),
                Panel(
                    "Queue by stage",
                    "short",
                    (("max by (stage) (aegis_queue_depth{$scope})", "{{stage}}"),),
                    "Also what rests until its next attempt",
                ),
                OPEN_SHARE,
            ),
        ),
        Row(
            "Times",
            (
                Panel(
                    "Wait, 95 of 100 are shorter",
                    "s",
                    ((quantile(0.95, "aegis_stage_wait_seconds", "lane"), "{{lane}}"),),
                    "From the time a stage is due to the time a worker takes it",
                ),
                Panel(
                    "Run, half are shorter",
                    "s",
                    ((quantile(0.5, "aegis_stage_run_seconds", "lane", "stage"), "{{lane}}: {{stage}}"),),
                ),
                Panel(
                    "Run, 95 of 100 are shorter",
                    "s",
                    ((quantile(0.95, "aegis_stage_run_seconds", "lane", "stage"), "{{lane}}: {{stage}}"),),
                ),
            ),
        ),
        Row(
            "Attempts",
            (
                Panel(
                    "Attempts a second",
                    "ops",
                    ((shared_rate("aegis_stage_attempts_total", "lane"), "{{lane}}"),),
                ),
                Panel(
                    "Retries a second",
                    "ops",
                    ((shared_rate("aegis_stage_retries_total", "lane", "reason"), "{{lane}}: {{reason}}"),),
                    "By the error's code",
                ),
                Panel(
                    "Taken again a second",
                    "ops",
                    ((shared_rate("aegis_stage_recoveries_total", "lane"), "{{lane}}"),),
                    "After a worker was lost with a job in its hands",
                ),
                Panel(
                    "Jobs ended a second",
                    "ops",
                    ((shared_rate("aegis_jobs_ended_total", "kind", "state"), "{{kind}}: {{state}}"),),
                ),
                Panel(
                    "Dead letters",
                    "short",
                    (("max by (reason) (aegis_dead_letters{$scope})", "{{reason}}"),),
                    alerts=("AegisDeadLettersGrow",),
                ),
                Panel(
                    "Job records by state", "short", (("max by (state) (aegis_jobs{$scope})", "{{state}}"),)
                ),
                Panel(
                    "Jobs queued late",
                    "short",
                    ((f"sum(increase(aegis_api_jobs_unqueued_total{{$scope}}{WINDOW}))", "jobs"),),
                    "Recorded while the broker took no message, and queued later",
                ),
                Panel(
                    "Since the scheduler ticked",
                    "s",
                    (("min(aegis_beat_tick_age_seconds{$scope})", "beat"),),
                    limit=60,
                    alerts=("AegisBeatSilent",),
                ),
            ),
        ),
    ),
)
