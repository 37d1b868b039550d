#!/usr/bin/env bash
# A customer's life with curl. Needs what the `ready` line of `make run` says:
#   API=<api_url> WAFFO=<waffo_url> KEY=<api_key> local/walkthrough.sh [customer]
set -euo pipefail
customer=${1:-ada}
auth=(-H "Authorization: Bearer $KEY" -H "Content-Type: application/json")

step() { printf '\n# %s\n' "$*"; }
# Print the members of a JSON answer that are named, one line.
pick() { python3 -c 'import json, sys; a = json.load(sys.stdin); print(json.dumps({n: a[n] for n in sys.argv[1:] if n in a}))' "$@"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
settled() { curl -s -X POST "$WAFFO/_sim/flush" -d '{}' >/dev/null; }

# The two requests of docs/walkthrough.md; sent once more they change nothing.
curl -s "${auth[@]}" "$API/v1/customers/$customer/quota/tokens" >/dev/null
curl -s "${auth[@]}" "$API/v1/customers/$customer/holds" -d '{"meter": "tokens", "quantity": 4000, "id": "call-1"}' >/dev/null

step "They subscribe: Waffo signs a webhook, and the plan's allowance is there"
curl -s -X POST "$WAFFO/_sim/subscriptions" -d "{\"product\": \"Starter\", \"buyer_identity\": \"$customer\"}" >/dev/null
settled
curl -s "${auth[@]}" "$API/v1/customers/$customer/quota/tokens" | pick plan allowance used held available

step "Before the work, a hold; after it, the true count"
hold=$(curl -s "${auth[@]}" "$API/v1/customers/$customer/holds" -d '{"meter": "tokens", "quantity": 4000, "id": "call-1"}')
echo "$hold" | pick hold_id quantity
curl -s "${auth[@]}" "$API/v1/customers/$customer/holds/$(echo "$hold" | field hold_id)/settle" -d '{"quantity": 3120}' |
  pick id meter quantity hold replayed

step "Usage from elsewhere is recorded, once however often it is sent"
event="{\"id\": \"job-7\", \"customer_id\": \"$customer\", \"meter\": \"tokens\", \"quantity\": 96880}"
for _ in 1 2; do curl -s "${auth[@]}" "$API/v1/usage" -d "{\"events\": [$event]}" | pick counted duplicate refused; done

step "At the limit a hold is refused, and the refusal sells"
refused=$(curl -s "${auth[@]}" "$API/v1/customers/$customer/holds" -d '{"meter": "tokens", "quantity": 1, "id": "call-2"}')
echo "$refused" | pick status code detail
link=$(echo "$refused" | field purchase_url)
echo "purchase_url: ${link:0:60}..."

step "The link shows what it sells (open it in a browser), and its button leads to the payment page; here we pay by hand"
curl -s -H 'Accept-Language: en' "$link" | grep -oE '<h1>[^<]+' | sed 's/<h1>/page: /'
page=$(curl -s -o /dev/null -w '%{redirect_url}' --data '' "$link")
curl -s -o /dev/null -w 'pay: %{http_code}\n' "${page%%#*}" --data-urlencode "token=${page##*#token=}"
settled
curl -s "${auth[@]}" "$API/v1/customers/$customer/holds" -d '{"meter": "tokens", "quantity": 1, "id": "call-2"}' | pick hold_id quantity
curl -s "${auth[@]}" -X DELETE "$API/v1/customers/$customer/holds/tokens~1~call-2" | pick id hold

step "A month later Waffo renews: one reset, and what was bought is still there"
# The clock of the simulator moves the stack's own, too.
curl -s -X POST "$WAFFO/_sim/clock" -d '{"advance_seconds": 2678400}' >/dev/null
settled
curl -s "${auth[@]}" "$API/v1/customers/$customer/quota/tokens" | pick plan used available

step "Every movement has its cause"
curl -s "${auth[@]}" "$API/v1/customers/$customer/ledger?meter=tokens" | python3 -c '
import json, sys
for entry in json.load(sys.stdin)["entries"]:
    moved = ", ".join("{kind} {quantity}".format(**movement) for movement in entry["movements"])
    print(entry["segment"], entry["cause"] + ":", moved)'
