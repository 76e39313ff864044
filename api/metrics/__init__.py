"""/metrics of the API, for Prometheus: requests, queues, workers, dependencies, answers, caches and backups.

A file a subject. Import these modules late: with several API processes prometheus-client must find its shared
folder in the environment when it is first imported (see ``api.main``).
"""
