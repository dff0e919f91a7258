#!/usr/bin/env python3
"""call.py METHOD [TENANT]: calls cart, prints the answer or the status. Needs python3-grpcio."""

import sys

import grpc

with grpc.insecure_channel("cart:50051") as channel:
    try:
        print(channel.unary_unary(sys.argv[1])(b"", timeout=10, metadata=[("tenant", t) for t in sys.argv[2:]]).decode())
    except grpc.RpcError as error:
        print(error.code().name)
