"""Run inside of a subinterpreter by the samples subinterpreter*.py."""

import crashext
import oracle


def serve(request):
    answer = request.upper()
    oracle.record()
    crashext.null_deref(1)
    return answer


def run():
    serve("hello")
