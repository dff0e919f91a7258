#!/usr/bin/env python3
"""Twelve requests at once, then one more: how many were answered, how many refused, and what came last."""

import concurrent.futures
import http.client


def visit(_):
    connection = http.client.HTTPConnection("report", 80, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


with concurrent.futures.ThreadPoolExecutor(12) as pool:
    answers = list(pool.map(visit, range(12)))
refused = [text for status, text in answers if status == 503 and text.startswith("weft: 4 requests")]
print(sum(status == 200 for status, _ in answers), len(refused), visit(0)[0])
