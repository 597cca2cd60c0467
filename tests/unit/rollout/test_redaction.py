from __future__ import annotations

import pytest

from emonk_ops.rollout.redaction import REDACTED, redacted


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic dXNlcjpodW50ZXIy",
        "DB_PASSWORD: hunter2-of-prod",
        "api_key=hunter2-of-prod",
        "export API_KEY=hunter2-of-prod",
        "https://x.test/v1?key=AIzaSyA-hunter2-of-prod-0123456789abcd",
        "access token ya29.a0AfH6SMhunter2ofprod0123456789",
        '{"password": "hunter2-of-prod"}',
        "PASSWD='hunter2 of prod'",
    ],
)
def test_a_secret_in_the_text_of_a_failed_command_is_redacted(text: str) -> None:
    told = redacted({"message": f"./deploy.sh ended with 1: {text}"})["message"]
    assert REDACTED in told
    assert "hunter2" not in told
    assert "dXNlcjpodW50ZXIy" not in told


@pytest.mark.parametrize(
    "text",
    [
        "401 from the app",
        "httpTarget.oidcToken configured",
        "as emonk-scheduler@emonk-qa.iam.gserviceaccount.com for https://service.test",
        "sha256:d9a43f3e634c8eb73cbe3edde1d9599c9192459e8b8dd8a65a9603fe92972b44",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted({"message": text}) == {"message": text}
