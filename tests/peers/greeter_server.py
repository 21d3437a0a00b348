"""The service of `greeter.proto`, by Google's grpcio. Says its port when it listens."""

import time
from concurrent import futures

import grpc
from greeter_types import kind, pool
from grpc_reflection.v1alpha import reflection

HelloRequest, HelloReply = kind("greeter.v1.HelloRequest"), kind("greeter.v1.HelloReply")
CountRequest, FailRequest = kind("greeter.v1.CountRequest"), kind("greeter.v1.FailRequest")
Status, ErrorInfo, Any = kind("google.rpc.Status"), kind("google.rpc.ErrorInfo"), kind("google.protobuf.Any")


def hello(request, context):
    context.send_initial_metadata((("x-initial", "yes"),))
    context.set_trailing_metadata((("x-late", "yes"),))
    sent = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    return HelloReply(text=f"Hello, {request.name}!", request=request, metadata=sent)


def count(request, context):
    for number in range(1, request.to + 1):
        if request.fail_after and number > request.fail_after:
            fail_with(context, 8, "enough")
        yield HelloReply(text=str(number))


def fail_with(context, code, message):
    info = ErrorInfo(reason="TOLD_TO", domain="example.com")
    packed = Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
    status = Status(code=code, message=message, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(next(known for known in grpc.StatusCode if known.value[0] == code), message)


def fail(request, context):
    fail_with(context, request.code, request.message)


def slow(request, context):
    left = context.time_remaining()
    time.sleep(min(left or 5, 5) + 1)
    return HelloReply(text=str(left))


def unary(does, takes):
    return grpc.unary_unary_rpc_method_handler(
        does, request_deserializer=takes.FromString, response_serializer=HelloReply.SerializeToString)


methods = {
    "Hello": unary(hello, HelloRequest),
    "Fail": unary(fail, FailRequest),
    "Slow": unary(slow, HelloRequest),
    "Count": grpc.unary_stream_rpc_method_handler(
        count, request_deserializer=CountRequest.FromString, response_serializer=HelloReply.SerializeToString),
}
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("greeter.v1.Greeter", methods),))
reflection.enable_server_reflection(["greeter.v1.Greeter", reflection.SERVICE_NAME], server, pool=pool)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
