#!/usr/bin/env bash
# Five requests an hour for each user, twelve for all of them.
source "$(dirname "$0")/../lib.sh"
start_server

background search weft run --service search:80:8080/http -- python3 "$here/search.py"
eventually 30 serving search
weft apply -f "$here/limits.yaml"

weft run --service visitor -- python3 -c '
import http.client
visitor = http.client.HTTPConnection("search", 80, timeout=10)
def ask(user, times):
    answers = []
    for _ in range(times):
        visitor.request("GET", "/", headers={"x-user": user})
        answer = visitor.getresponse()
        answer.read()
        answers.append(answer)
    served = sum(answer.status == 200 for answer in answers)
    last = answers[-1]
    left = last.headers["RateLimit"]
    print(f"{user}: {served} of {times} served; last: {last.status}, RateLimit: {left}")
    assert {answer.status for answer in answers} <= {200, 429}
    if last.status == 429:
        assert int(last.headers["Retry-After"]) >= 1 and ";r=0;" in left
    return served
assert ask("ada", 8) == 5
assert ask("bob", 8) == 5
assert ask("eve", 8) == 2  # the twelve are gone
'

# Each of them is marked in the access log of the sidecar beside the program.
marked() { grep -rh '"flags":"RL"' "$state" --include=access.log | grep -c '"policy":"default/search-limits"'; }
all_marked() { [ "$(marked)" = 12 ]; }
eventually 10 all_marked
echo "marked in the log: $(marked)"
