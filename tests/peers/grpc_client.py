"""A gRPC client: `grpc_client.py WHAT HOST:PORT [CA]` does one thing and fails if it goes wrong."""

import os
import queue
import sys
import threading

import grpc


def unary(channel):
    call = channel.unary_unary("/test.Echo/Unary")
    for message in [b"hello", b"", os.urandom(3 << 20)]:
        assert call(message) == message


def metadata(channel):
    call = channel.unary_unary("/test.Echo/Unary")
    raw = bytes(range(256))
    answer, done = call.with_call(b"", metadata=(("x-text", "a, b"), ("x-raw-bin", raw)))
    assert dict(done.initial_metadata())["x-text"] == "a, b"
    late = dict(done.trailing_metadata())
    assert (late["x-raw-bin"], late["x-late"]) == (raw, "yes")
    assert (done.code(), answer) == (grpc.StatusCode.OK, b"")


def streams(channel):
    down = list(channel.unary_stream("/test.Echo/Download")(b"2000"))
    assert down == [b"%d" % number + b"." * 1000 for number in range(2000)]
    assert list(channel.unary_stream("/test.Echo/Download")(b"0")) == []
    up = channel.stream_unary("/test.Echo/Upload")
    assert up(iter([b"." * 1000] * 2000)) == b"2000000"
    assert up(iter([])) == b"0"


def chat(channel):
    """Each message goes when the answer to the one before has come."""
    said = queue.SimpleQueue()
    answers = channel.stream_stream("/test.Echo/Chat")(iter(said.get, None))
    for message in [b"one", b"two", b"three"]:
        said.put(message)
        assert next(answers) == message.upper()
    said.put(None)
    assert list(answers) == []


def failure(channel):
    try:
        channel.unary_unary("/test.Echo/Fail")(b"")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "not today: 100 % ☂", error
        assert dict(error.trailing_metadata())["x-details-bin"] == b"\x00\x01\xff"
    else:
        assert False, "it did not fail"
    try:
        channel.unary_unary("/test.Echo/None")(b"")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    else:
        assert False, "it did not fail"


def deadline(channel):
    left = float(channel.unary_unary("/test.Echo/Deadline")(b"", timeout=20))
    assert 10 < left <= 20, left
    try:
        channel.unary_unary("/test.Echo/Slow")(b"5", timeout=0.3)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    else:
        assert False, "it had time"
    # The connection is as good as before.
    assert channel.unary_unary("/test.Echo/Unary")(b"next") == b"next"


def cancel(channel):
    answers = channel.unary_stream("/test.Echo/Endless")(b"")
    assert next(answers) == b"0"
    answers.cancel()
    assert channel.unary_unary("/test.Echo/WasCancelled")(b"") == b"yes"


def many(channel):
    """Calls beside a stream that goes on."""
    endless = channel.unary_stream("/test.Echo/Endless")(b"")
    calls = [channel.unary_unary("/test.Echo/Unary").future(b"%d" % n) for n in range(500)]
    assert [call.result() for call in calls] == [b"%d" % n for n in range(500)]
    assert next(endless) == b"0"
    endless.cancel()


def refused(channel):
    """What Janua itself says is a status of gRPC too."""
    try:
        channel.unary_unary("/test.Echo/Unary")(b"")
    except grpc.RpcError as error:
        print(error.code().name, error.details())
    else:
        assert False, "it was answered"


def well(channel):
    channel.unary_unary("/test.Echo/SetHealth")(b"orders SERVING")


def unwell(channel):
    channel.unary_unary("/test.Echo/SetHealth")(b"orders NOT_SERVING")


what, address, *ca = sys.argv[1:]
options = [("grpc.max_receive_message_length", -1)]
if ca:
    tls = grpc.ssl_channel_credentials(open(ca[0], "rb").read())
    channel = grpc.secure_channel(address, tls, options)
else:
    channel = grpc.insecure_channel(address, options)
stuck = threading.Timer(30, os._exit, [3])
stuck.daemon = True
stuck.start()
globals()[what](channel)
