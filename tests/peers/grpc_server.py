"""A gRPC server without generated code: messages are bytes. Says its port when it listens."""

import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

cancelled = threading.Event()


def unary(request, context):
    """Says the message and the metadata back."""
    sent = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-text", sent.get("x-text", "")),))
    context.set_trailing_metadata((("x-raw-bin", sent.get("x-raw-bin", b"")), ("x-late", "yes")))
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-details-bin", b"\x00\x01\xff"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 % ☂")


def deadline(request, context):
    """Says how long it has."""
    return str(context.time_remaining()).encode()


def slow(request, context):
    time.sleep(float(request))
    return b"late"


def download(request, context):
    for number in range(int(request)):
        yield b"%d" % number + b"." * 1000


def upload(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def chat(requests, context):
    for request in requests:
        yield request.upper()


def endless(request, context):
    cancelled.clear()
    context.add_callback(cancelled.set)
    number = 0
    while context.is_active():
        yield b"%d" % number
        number += 1
        time.sleep(0.01)


def was_cancelled(request, context):
    return b"yes" if cancelled.wait(10) else b"no"


def set_health(request, context):
    """Says what a service is from now on: `name STATUS`."""
    name, status = request.decode().split(" ")
    known.set(name, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    return b""


known = health.HealthServicer()
known.set("", health_pb2.HealthCheckResponse.SERVING)

methods = {
    "SetHealth": grpc.unary_unary_rpc_method_handler(set_health),
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Deadline": grpc.unary_unary_rpc_method_handler(deadline),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    "Download": grpc.unary_stream_rpc_method_handler(download),
    "Endless": grpc.unary_stream_rpc_method_handler(endless),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(
    futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", -1)]
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
health_pb2_grpc.add_HealthServicer_to_server(known, server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
