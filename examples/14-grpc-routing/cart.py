#!/usr/bin/env python3
"""A gRPC server whose every method answers with its version and the method called. Needs python3-grpcio."""

import concurrent.futures
import sys

import grpc


class AnyMethod(grpc.GenericRpcHandler):
    def service(self, call):
        text = f"{sys.argv[1]} {call.method}".encode()
        return grpc.unary_unary_rpc_method_handler(lambda request, context: text)


server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[AnyMethod()])
server.add_insecure_port("0.0.0.0:50051")
server.start()
server.wait_for_termination()
