"""Wrong keys are few: with whatever other limit, and none of those who have a right one pays for them."""

from pathlib import Path

from tests.integration.api.test_api_wrong_keys import ADMIN, KEYS, WRONG
from tests.integration.apiserver import serving, settings_of


def test_wrong_keys_have_a_limit_of_their_own(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS, wrong_keys_per_minute=5)) as api:
        wrong = [api.http.get("/v1/jobs", headers=WRONG["unknown"]) for _ in range(6)]
        at_health = api.http.get("/health/ready", headers=WRONG["unknown"])
        none = [api.http.get("/v1/jobs").status_code for _ in range(6)]
        right = [
            api.http.get("/v1/jobs", headers={"Authorization": f"Bearer {ADMIN}"}).status_code
            for _ in range(6)
        ]

        assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
        assert "Over 5 wrong keys a minute" in wrong[-1].json()["detail"]
        assert int(wrong[-1].headers["retry-after"]) >= 1
        assert at_health.status_code == 429
        assert set(none) == {401}
        assert set(right) == {200}
        assert api.http.get("/health").status_code == 200
