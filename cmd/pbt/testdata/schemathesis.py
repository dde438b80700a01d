"""What Schemathesis must know to ask a real run good questions (TestTheDescriptionHolds)."""

import os

import schemathesis

RUN = os.environ["PBT_TEST_RUN"]
# They would end the run, and with it the server, or write outside of the test's directory.
NOT_HERE = ("stop", "branch")


def pick(params, name, *known):
    """Half of the made-up names become ones that there are."""
    value = params.get(name)
    if isinstance(value, str) and len(value) % 2 == 0:
        params[name] = known[len(value) // 2 % len(known)]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if path_parameters:
        pick(path_parameters, "run", RUN)
        pick(path_parameters, "name", "h0", "mode")
        if isinstance(path_parameters.get("n"), int):
            path_parameters["n"] %= 20
    return path_parameters


@schemathesis.hook
def filter_body(context, body):
    return not (isinstance(body, dict) and body.get("verb") in NOT_HERE)


@schemathesis.hook
def before_call(context, case, **kwargs):
    """The phase of systematic cases asks no filter."""
    if isinstance(case.body, dict) and case.body.get("verb") in NOT_HERE:
        case.body["verb"] = "pause"
