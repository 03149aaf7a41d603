"""PING: is the key good?"""

import pytest

from conformance.client import Api
from conformance.expect import expect_equal, expect_fields, expect_status
from conformance.run import Run

requirement = pytest.mark.requirement


@requirement("PING-1")
def test_ping_describes_the_key_that_asks(api: Api, run: Run) -> None:
    answer = api.ping()

    expect_status(answer, 200, because="the key is valid")
    expect_equal(answer.body["ok"], True, "ok")
    prefix = run.target.token("server").partition(".")[0]
    expect_fields(answer.body["apiKey"], permissionSet="server_integration", prefix=prefix)
