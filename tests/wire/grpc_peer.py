"""gRPC as its own library speaks it, in a process of its own: `serve SOCKET`, or `call SOCKET METHOD` with bytes in.

Messages are bytes here: what is in them is not this file's business.
"""

import sys
import threading
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """Answers every method with what it was sent; /A/No refuses."""

    def service(self, call):
        def answer(message, context):
            if call.method == "/A/No":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such share: «ä 50 %»")
            return call.method.encode() + b":" + message

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(path):
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop(None).wait(timeout=5)


def call(path, method):
    with grpc.insecure_channel(f"unix:{path}", options=[("grpc.max_receive_message_length", -1)]) as channel:
        try:
            answer = channel.unary_unary(method)(sys.stdin.buffer.read(), timeout=10)
        except grpc.RpcError as error:
            print(f"{error.code().value[0]} {error.details()}")
        else:
            sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    threading.stack_size(1 << 18)
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
