"""The settings as a backup has them tell no secret."""

import json

from rag.settings import Settings
from rag.settings.disclosure import disclosed

SECRET = "s3cr3t-and-long-enough"


def test_no_secret_is_in_them() -> None:
    settings = Settings(
        redis_url=f"redis://:{SECRET}@broker:6379/0",
        qdrant_url=f"http://user:{SECRET}@one:6333,http://two:6333",
        qdrant_api_key=SECRET,
        blob_url="s3://documents/here",
        backup_url=f"s3://backups?signature={SECRET}",
        backup_key=SECRET,
        generator_url=f"https://user:{SECRET}@models/v1",
        generator_api_key=SECRET,
        jina_api_key=SECRET,
        api_key=SECRET,
        api_keys={SECRET: {"name": "ci", "role": "admin", "collections": ["*"]}},
        flower_basic_auth=f"user:{SECRET}",
    )

    told = disclosed(settings)

    assert SECRET not in json.dumps(told)
    assert told["QDRANT_URL"] == "http://…@one:6333,http://two:6333"
    assert told["BLOB_URL"] == "s3://documents/here"
    assert told["API_KEYS"] == [{"name": "ci", "role": "admin", "collections": ["*"]}]
    assert told.keys() == {name.upper() for name in Settings.model_fields}
